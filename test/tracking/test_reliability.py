"""What a score is worth, as a network's file says."""

import pytest

from ckd_ros.tracking import OnnxEngine
from ckd_ros.tracking.engine import model_file
from ckd_ros.tracking.reliability import Reliability


def test_between_points_it_is_a_line_and_every_score_is_told_apart():
    reliability = Reliability.parse("0:0.01 0.5:0.1 0.9:0.6 1:0.98")
    assert reliability.probability(0.7) == pytest.approx(0.35)
    values = [reliability.probability(k / 100) for k in range(101)]
    assert values == sorted(set(values)) and values[0] == 0.01 and values[-1] == 0.98
    assert Reliability.parse(str(reliability)) == reliability


@pytest.mark.parametrize("text", ["", "0.5:0.5", "0:0 0.5", "0:0.5 1:0.5", "0:0.9 1:0.1", "0:0 1:1.2", "0:a 1:1"])
def test_what_is_no_rising_line_is_refused(text):
    with pytest.raises(ValueError, match="reliability"):
        Reliability.parse(text)


def test_a_file_may_state_it_and_else_the_score_counts(save_model, metadata):
    assert OnnxEngine(save_model(), threads=1).spec.reliability.probability(0.3) == 0.3
    stated = OnnxEngine(save_model(metadata={**metadata, "reliability": "0:0 1:0.5"}), threads=1)
    assert stated.spec.reliability.probability(0.3) == pytest.approx(0.15)
    with pytest.raises(ValueError, match="unreadable metadata"):
        OnnxEngine(save_model(metadata={**metadata, "reliability": "high"}), threads=1)


@pytest.mark.parametrize("name", ["tiny", "tiny-int8", "tiny-open"])
def test_the_shipped_networks_were_measured(name):
    assert OnnxEngine(model_file(name), ["cpu"], threads=1).spec.reliability.probability(0.4) < 0.2
