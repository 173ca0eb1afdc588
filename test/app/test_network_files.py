"""`ckd export` of a Siamese student: how much of its coupling the file keeps."""

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import onnxruntime
from students import coupled, lively, side_by_side

from ckd_ros.cli import main
from ckd_ros.network.checkpoint import save_checkpoint
from ckd_ros.network.export import check_export
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
