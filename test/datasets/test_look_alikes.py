"""Look-alikes of a simulated target, and the times in which it is away."""

from dataclasses import replace

import numpy as np
import pytest
from archives import write_tar

from ckd_ros.datasets.look_alikes import similar
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.datasets.sources import open_source
from ckd_ros.geometry import centre, iou

CROWD = SimulatorConfig(
    frames=300, rate=20, width=320, height=256, thermal_width=160, thermal_height=128, target_size=32, look_alikes=3,
    distractors=0, occlusion=0, night=0, glare=0, crossover=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def sequences():
    return [SimulatedSequence(replace(CROWD, seed=seed)) for seed in range(4)]


def absences(sequence):
    """`(start, end)` frames of each time out of sight of a second or more."""
    edges = np.flatnonzero(np.diff(np.isnan(sequence.boxes[:, 0]).astype(int), prepend=0, append=0))
    return [(start, end) for start, end in edges.reshape(-1, 2) if end - start >= 20]


def test_the_target_is_away_for_seconds_while_look_alikes_stay_and_comes_back(sequences):
    for sequence in sequences:
        away = absences(sequence)
        assert away and np.isfinite(sequence.init_box).all()
        for start, end in away:
            assert 20 <= end - start < 100
            others = np.isfinite(sequence.other_boxes[start:end, :, 0]).any(axis=1)
            assert others.mean() > 0.9
        assert any(np.isfinite(sequence.boxes[end : end + 40, 0]).mean() > 0.5 for _, end in away)


def test_it_is_hidden_by_something_or_out_of_the_picture(sequences):
    for sequence in sequences:
        sides = []
        for start, _ in absences(sequence):
            x = centre(sequence.boxes[start - 1])[0]
            sides.append(x < 20 or x > CROWD.width - 20)
        assert sorted(sides) == [False, True], "one of each in 15 s"


def test_each_look_alike_crosses_the_target(sequences):
    crossed = []
    for sequence in sequences:
        overlap = np.nan_to_num(iou(sequence.boxes[:, None], sequence.other_boxes))
        crossed.append((overlap.max(axis=0) > 0.2).mean())
        assert overlap[0].max() < 0.2
    assert np.mean(crossed) > 0.8


def test_they_come_with_a_seed_of_their_own():
    first, again = (SimulatedSequence(replace(CROWD, frames=60)) for _ in range(2))
    np.testing.assert_array_equal(first.other_boxes, again.other_boxes)
    other = SimulatedSequence(replace(CROWD, frames=60, seeds="look_alikes:9"))
    assert not np.allclose(other.other_boxes, first.other_boxes, equal_nan=True)
    assert other.boxes.shape == first.boxes.shape


def test_one_camera_knows_them_in_its_own_pixels():
    text = (
        "simulator:frames=40,width=320,height=256,thermal_width=160,thermal_height=128,target_size=32,look_alikes=2,"
        "distractors=0,misregistration=0,parallax=0,jitter=0"
    )
    both, thermal = (open_source(text, modality=modality) for modality in ("both", "thermal"))
    assert both.other_boxes.shape == (40, 2, 4)
    np.testing.assert_allclose(thermal.other_boxes, both.other_boxes / 2, atol=1e-6)


def test_a_short_sequence_has_look_alikes_but_no_absence():
    sequence = SimulatedSequence(replace(CROWD, frames=1))
    assert sequence.other_boxes.shape == (1, 3, 4) and np.isfinite(sequence.boxes).all()


def test_a_similar_texture_keeps_its_shape_and_changes_a_little():
    rng = np.random.default_rng(0)
    original = Texture(
        np.full((60, 30, 3), 120, np.uint8), np.full((60, 30), 150, np.uint8), np.full((60, 30), 255, np.uint8)
    )
    changes = []
    for _ in range(20):
        other = similar(rng, original)
        np.testing.assert_array_equal(other.alpha[0], original.alpha[0])
        difference = other.rgb[0].astype(float) - original.rgb[0]
        changes.append(np.abs(difference).mean())
        assert np.abs(difference[:10]).mean() < 6 or np.abs(difference[-10:]).mean() < 6, "one part stays as it was"
    assert 1 < np.median(changes) < 40


def test_crops_are_target_and_look_alikes(tmp_path):
    red, warm = np.full((80, 30, 3), (220, 0, 0), np.uint8), np.full((80, 30), 230, np.uint8)
    names = [f"day_person_{number:05d}_0.png" for number in range(8)]
    crops = write_tar(
        tmp_path / "crops.tar",
        {f"{side}/{name}": image for name in names for side, image in (("rgb", red), ("tir", warm))},
    )
    sequence = SimulatedSequence(replace(CROWD, crops=crops, subset="held_out", frames=2, noise=0))
    x, y = centre(sequence.boxes[0]).astype(int)
    r, g, b = next(sequence.frames()).rgb.data[y, x]
    assert r > 3 * max(g, b, 1)
    assert sequence.boxes[0, 3] > 2 * sequence.boxes[0, 2]
