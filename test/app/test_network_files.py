"""`ckd export` and `ckd quantise`: what they take and write, how much of its coupling a Siamese student keeps."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnxruntime
import torch
from students import coupled, lively, side_by_side

from ckd_ros.cli import main
from ckd_ros.network.checkpoint import save_checkpoint
from ckd_ros.network.export import check_export
from ckd_ros.network.networks import make_tracker
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese_config import SiameseConfig

SMALL = SiameseConfig("small", search_size=96)


@pytest.fixture
def checkpoint(tmp_path):
    save_checkpoint(tmp_path / "student.safetensors", coupled(SMALL).state_dict(), SMALL, {"steps": 7})
    return tmp_path / "student.safetensors"


def test_without_its_coupling_an_exported_student_is_two_trackers_side_by_side(checkpoint, tmp_path):
    out = tmp_path / "student.onnx"
    main(["export", str(checkpoint), str(out), "--coupling", "0"])
    assert check_export(side_by_side(SMALL), out) <= 1e-4
    with pytest.raises(ValueError, match="differs from the network by"):
        check_export(coupled(SMALL), out)
    metadata = onnxruntime.InferenceSession(out).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["training"]) == {"steps": 7, "coupling": 0.0}


@pytest.mark.parametrize("share", ["1.5", "-0.1", "nan"])
def test_a_share_of_the_coupling_out_of_range_is_refused(checkpoint, tmp_path, capsys, share):
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(checkpoint), str(tmp_path / "a.onnx"), f"--coupling={share}"])
    assert f"coupling {share} is out of range: give a share from 0 to 1" in capsys.readouterr().err
    assert not (tmp_path / "a.onnx").exists()


def test_a_student_without_coupling_keeps_no_share_of_it(tmp_path, capsys):
    config = preset("tinyvit")
    save_checkpoint(tmp_path / "student.safetensors", lively(config).state_dict(), config)
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(tmp_path / "student.safetensors"), str(tmp_path / "a.onnx"), "--coupling", "0.5"])
    assert "is no Siamese student: leave --coupling out" in capsys.readouterr().err


def refused(capsys, *args) -> str:
    """The one line that a command ends with."""
    with pytest.raises(SystemExit, match="2"):
        main([str(arg) for arg in args])
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_tracker_of_one_modality_is_told_from_a_student(tmp_path, capsys):
    save_checkpoint(tmp_path / "pretrain.safetensors", make_tracker(SMALL).state_dict(), SMALL)
    line = refused(capsys, "export", tmp_path / "pretrain.safetensors", tmp_path / "a.onnx")
    assert "pretrain.safetensors' is a tracker of one modality" in line and "`start:`" in line and len(line) < 400


def test_of_a_stage_with_teachers_the_student_is_exported(checkpoint, tmp_path):
    state = coupled(SMALL).state_dict()
    teachers = {n.replace("rgb_branch", "teacher_rgb"): value for n, value in state.items() if n.startswith("rgb")}
    save_checkpoint(tmp_path / "distil.safetensors", state | teachers, SMALL)
    main(["export", str(tmp_path / "distil.safetensors"), str(tmp_path / "a.onnx")])
    assert check_export(coupled(SMALL), tmp_path / "a.onnx") <= 1e-4


@pytest.mark.parametrize("out", ["a.txt", "a", "student.safetensors"])
def test_what_is_written_is_called_an_onnx_file(checkpoint, tmp_path, capsys, out):
    before = checkpoint.read_bytes()
    line = refused(capsys, "export", checkpoint, tmp_path / out)
    assert f"{out}' would hold an ONNX network: give it a name that ends in .onnx" in line
    assert checkpoint.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == [checkpoint.name]
    assert "would hold an ONNX network" in refused(capsys, "quantise", tmp_path / "a.onnx", tmp_path / out)


@pytest.mark.parametrize("link", [False, True])
def test_a_network_is_not_quantised_onto_itself(tmp_path, capsys, link):
    source, out = tmp_path / "a.onnx", tmp_path / "b.onnx" if link else tmp_path / "a.onnx"
    source.write_bytes(b"fp32")
    if link:
        out.symlink_to(source)
    assert f"'{out}' is what is read: give another name" in refused(capsys, "quantise", source, out)
    assert source.read_bytes() == b"fp32"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("last.pt", "it is what a training resumes from, give a .safetensors file from beside it"),
        ("ckd.pth", "turn it into one with `ckd import ckd.pth`"),
        ("a.onnx", "give one that `ckd train` or `ckd import` wrote"),
    ],
)
def test_a_checkpoint_of_another_form_is_refused_with_what_to_give(tmp_path, capsys, name, remedy):
    torch.save({"net": {}}, tmp_path / name)
    line = refused(capsys, "export", tmp_path / name, tmp_path / "out.onnx")
    assert f"{name} is not a safetensors file" in line and line.endswith(remedy)
