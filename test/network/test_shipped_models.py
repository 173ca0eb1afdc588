"""The shipped networks: small enough, known to their card, and fit for the tracker."""

from pathlib import Path

import numpy as np
import pytest

from ckd_ros.tracking import OnnxEngine
from ckd_ros.tracking.engine.spec import IMAGE_INPUTS

MODELS = Path(__file__).parents[2] / "models"
FILES = sorted(MODELS.glob("*.onnx"))


def test_they_are_there():
    assert {file.name for file in FILES} >= {"tiny.onnx", "tiny-int8.onnx", "tiny-cc0.onnx"}


def test_a_checkout_stays_light():
    assert sum(file.stat().st_size for file in MODELS.iterdir()) < 40e6
    assert max(file.stat().st_size for file in FILES) < 15e6


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_shipped_network_runs_and_is_described(file):
    assert f"`{file.name}`" in (MODELS / "README.md").read_text()
    engine = OnnxEngine(file, ["cpu"], threads=1)
    assert engine.spec.precision == ("int8" if "int8" in file.stem else "fp32")
    grey = {name: np.zeros(engine.spec.shape(name), np.float32) for name in IMAGE_INPUTS}
    maps = engine.run({**grey, "template_box": np.array([[0.25, 0.25, 0.5, 0.5]], np.float32)})
    assert all(np.isfinite(m).all() for m in maps)


def test_the_cc0_student_saw_no_other_data():
    onnx = pytest.importorskip("onnx")
    import json

    model = onnx.load(MODELS / "tiny-cc0.onnx", load_external_data=False)
    record = json.loads({entry.key: entry.value for entry in model.metadata_props}["training"])
    for leg in (record, record["start"]):  # trained in two legs, the first from random weights
        assert leg["samples"]["pairs"] is None and not leg["samples"]["datasets"]
    assert "start" not in record["start"]
