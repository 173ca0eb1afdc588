"""The shipped networks: small enough, known to their card, and fit for the tracker."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ckd_ros.app.cli import main
from ckd_ros.files import sha256_of
from ckd_ros.tracking import OnnxEngine, default_model
from ckd_ros.tracking.engine import chosen_model, shipped
from ckd_ros.tracking.engine.spec import IMAGE_INPUTS

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(MODELS.glob("*.onnx"))


def test_the_default_is_there():
    assert default_model().name in {file.name for file in FILES}


def test_a_checkout_stays_light():
    assert sum(file.stat().st_size for file in MODELS.iterdir()) < 45e6
    assert max(file.stat().st_size for file in FILES) < 15e6


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_shipped_network_runs_and_is_described(file):
    assert f"`{file.name}`" in (MODELS / "README.md").read_text()
    engine = OnnxEngine(file, ["cpu"], threads=1)
    assert engine.spec.precision == ("int8" if "int8" in file.stem else "fp32")
    inputs = {name: np.zeros(engine.spec.shape(name), np.float32) for name in IMAGE_INPUTS}
    if engine.spec.uses_box:
        inputs["template_box"] = np.array([[0.25, 0.25, 0.5, 0.5]], np.float32)
    maps = engine.run(inputs)
    assert all(np.isfinite(m).all() for m in maps)


def test_the_student_for_products_saw_nothing_that_its_licence_forbids():
    onnx = pytest.importorskip("onnx")
    import json

    model = onnx.load(MODELS / "tiny-open.onnx", load_external_data=False)
    record = json.loads({entry.key: entry.value for entry in model.metadata_props}["training"])
    samples = record["samples"]
    read = {name for name in ("pairs", "clips", "crops", "cutouts", "thermal_images") if samples[name]}
    assert read == {"thermal_images"} and samples["thermal_images"] == "hit_uav.tar" and not samples["datasets"]
    assert "HIT-UAV" in (MODELS.parent / "NOTICE").read_text()
    assert (record["start"]["source"], record["start"]["licence"]) == ("FEAR-XS", "MIT")


def test_the_tracker_that_branches_start_from_fits_and_says_whose_it_is():
    pytest.importorskip("torch")
    from ckd_ros.network.checkpoint import load_checkpoint, load_weights
    from ckd_ros.network.presets import preset
    from ckd_ros.network.siamese_student import SiameseTracker

    state, config, record = load_checkpoint(MODELS / "fear-xs.safetensors")
    for name in ("tiny", "tiny-mce", "tiny-ce"):
        assert preset(name).differences(config) == []
    load_weights(SiameseTracker(preset("tiny")), state)
    assert record["source"] == "FEAR-XS" and record["licence"] == "MIT" and record["url"].startswith("https://")


def test_what_is_said_of_them_has_one_truth():
    """models.json, which `ckd models` prints, knows every network, and nothing that its card does not say."""
    from ckd_ros.tracking.engine import model_file, shipped_models

    sets, models = shipped_models()
    card = (MODELS / "README.md").read_text().replace("**", "")
    assert {model.path.name for model in models} == {file.name for file in FILES}
    for model in models:
        assert model_file(model.name) == model.path and model.licence and model.figures.keys() <= sets.keys()
        assert all(figure in card for figure in model.figures.values()), model.name


def test_every_shipped_file_is_the_one_that_its_hash_is_of():
    lines = (MODELS / "SHA256SUMS").read_text().splitlines()
    files = [*FILES, *sorted(MODELS.glob("*.safetensors"))]
    renewed = [f"{sha256_of(file)}  {file.name}" for file in files]
    assert lines == renewed, "after a network was replaced: cd models && sha256sum *.onnx *.safetensors > SHA256SUMS"


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A package whose networks may be damaged."""
    for file in MODELS.iterdir():
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(shipped, "package_file", lambda name: tmp_path / Path(name).name)
    return tmp_path


def test_a_network_with_a_changed_byte_is_refused(copied, monkeypatch, capsys):
    for name in ("tiny", "tiny-int8", "tiny-open", None):
        assert chosen_model(name).parent == copied
    for name in ("tiny.onnx", "tiny-int8.onnx"):
        data = bytearray((copied / name).read_bytes())
        data[len(data) // 2] ^= 1
        (copied / name).write_bytes(data)
    for name in ("tiny", "tiny-int8", None):
        with pytest.raises(ValueError, match="is not the network that ships: its SHA-256 is .*install it again"):
            chosen_model(name)
    assert chosen_model(copied / "tiny.onnx").name == "tiny.onnx", "by its path it is a network of one's own"
    assert chosen_model("tiny-open").name == "tiny-open.onnx"
    with pytest.raises(SystemExit) as end:
        main(["models"])
    assert "is not the network that ships" in str(end.value) + capsys.readouterr().err


def test_a_pointer_of_git_lfs_and_a_network_without_a_hash_are_refused(copied):
    (copied / "tiny.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    with pytest.raises(ValueError, match="git lfs pull"):
        chosen_model("tiny")
    shutil.copy(copied / "tiny-open.onnx", copied / "mine.onnx")
    with pytest.raises(ValueError, match="that of SHA256SUMS beside it none"):
        chosen_model("mine")
