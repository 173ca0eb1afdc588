"""A rendered sequence is the sequence."""

import numpy as np
import pytest
from rendered_sequence import load_rendered, render

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig


def test_what_is_loaded_is_what_was_rendered(tmp_path):
    sequence = SimulatedSequence(SimulatorConfig(frames=4, width=160, height=128, thermal_width=80, thermal_height=64))
    render(sequence, tmp_path / "sequence.npz")
    pairs, boxes = load_rendered(tmp_path / "sequence.npz")
    np.testing.assert_array_equal(boxes, sequence.boxes)
    for found, expected in zip(pairs, sequence.frames(), strict=True):
        assert (found.stamp, found.thermal_stamp) == (expected.stamp, expected.thermal_stamp)
        for image, truth in ((found.rgb, expected.rgb), (found.thermal, expected.thermal)):
            assert image.encoding == truth.encoding
            np.testing.assert_array_equal(image.data, truth.data)


def test_a_sequence_that_lost_images_is_refused(tmp_path):
    sequence = SimulatedSequence(SimulatorConfig(frames=6, width=160, height=128, loss=0.9))
    with pytest.raises(ValueError, match="lacks images"):
        render(sequence, tmp_path / "sequence.npz")
    assert not list(tmp_path.iterdir())
