"""How scores become probabilities."""

import numpy as np
import onnx
import pytest
import reliability
from reliability import Frames, drawn, error, error_held_out, fit, keep, rising

from ckd_ros.tracking import OnnxEngine
from ckd_ros.tracking.reliability import Reliability


def frames(group: str, seed: int, count: int = 3000) -> Frames:
    """Of boxes that are right as often as the square of their score says."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0, 1, count)
    return Frames(group, score, np.zeros(count, bool), np.where(rng.random(count) < score**2, 0.8, 0.1))


SEEN = [frames("m3svd a", 0), frames("m3svd b", 1), frames("simulator 1", 2)]


def test_what_was_measured_is_said_for_other_frames_too():
    found = fit(SEEN)
    assert error(SEEN[:1], Reliability()) > 0.12 and error([frames("m3svd c", 3)], found) < 0.04
    assert error_held_out(SEEN, SEEN) < 0.04
    assert found.probability(0.75) == pytest.approx(0.75**2, abs=0.06)


def test_a_lost_target_counts_as_not_overlapped_and_teaches_nothing():
    lost = Frames("m3svd d", np.full(500, 0.9), np.ones(500, bool), np.zeros(500))
    assert fit([*SEEN, lost]).probability(0.9) == pytest.approx(fit(SEEN).probability(0.9), abs=0.02)
    assert error([lost], fit(SEEN)) < 0.01


def test_neighbours_that_fall_are_pooled_by_their_weights():
    np.testing.assert_allclose(rising(np.array([0.1, 0.5, 0.2, 0.9]), np.array([1, 1, 2, 1])), [0.1, 0.3, 0.3, 0.9])


def test_it_is_kept_in_the_file_which_is_otherwise_what_it_was(model_path, tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(model_path.read_bytes())
    found = fit(SEEN)
    keep(file, found)
    assert OnnxEngine(file, threads=1).spec.reliability == found
    before, after = (onnx.load(path).graph.SerializeToString() for path in (model_path, file))
    assert before == after


def test_a_person_draws_a_little_off():
    box = np.array([100.0, 50.0, 40.0, 80.0])
    others = [drawn(box, np.random.default_rng(k)) for k in range(50)]
    assert all(0.5 < reliability.overlaps([one], [box])[0] < 1.0 for one in others)


def test_the_plot_is_a_picture(tmp_path):
    seen = [*SEEN, frames("drones x", 4)]
    reliability.draw(seen, fit(seen), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000
