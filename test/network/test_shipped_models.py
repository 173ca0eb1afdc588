"""The shipped networks: small enough, known to their card, and fit for the tracker."""

from pathlib import Path

import numpy as np
import pytest

from ckd_ros.tracking import OnnxEngine, default_model
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
