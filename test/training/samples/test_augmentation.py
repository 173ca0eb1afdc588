"""What ages the crops: each effect by itself, and the geometry that all crops share."""

import numpy as np
import pytest

pytest.importorskip("torch")

from ckd_ros.training.samples.augmentation import augment
from ckd_ros.training.samples.config import PAPER, AugmentationConfig

OFF = {**vars(PAPER), "grey": 0.0, "flip": 0.0, "brightness_range": 0.0}


def fixed(present=(True, True)):
    """A textured sample, always the same."""
    rng = np.random.default_rng(99)
    return {
        "template_rgb": rng.integers(60, 180, (64, 64, 3), dtype=np.uint8),
        "template_tir": rng.integers(60, 180, (64, 64), dtype=np.uint8),
        "search_rgb": rng.integers(60, 180, (128, 128, 3), dtype=np.uint8),
        "search_tir": rng.integers(60, 180, (128, 128), dtype=np.uint8),
        "template_box": np.array([0.2, 0.25, 0.5, 0.5]),
        "box": np.array([0.1, 0.4, 0.2, 0.3]),
        "present": np.array(present),
    }


def aged(seed=0, dropped=0.0, present=(True, True), live=(True, True), **settings):
    """A fixed textured sample before and after augmentation with these settings and nothing else."""
    sample = fixed(present)
    before = {name: value.copy() for name, value in sample.items()}
    sample["live"] = np.array(live)
    augment(sample, AugmentationConfig(**{**OFF, **settings}), dropped, np.random.default_rng(seed))
    return before, sample


def changed(before, after) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_with_everything_off_nothing_changes():
    assert changed(*aged()) == set()


def test_mirroring_takes_all_crops_and_boxes_along():
    before, after = aged(flip=1.0)
    for name in ("template_rgb", "template_tir", "search_rgb", "search_tir"):
        np.testing.assert_array_equal(after[name], before[name][:, ::-1])
    assert after["template_box"] == pytest.approx([0.3, 0.25, 0.5, 0.5])
    assert after["box"] == pytest.approx([0.7, 0.4, 0.2, 0.3])


BOTH_RGB, BOTH_TIR = {"template_rgb", "search_rgb"}, {"template_tir", "search_tir"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"grey": 1.0}, BOTH_RGB),
        ({"brightness": 0.2}, BOTH_RGB),
        ({"channel_offset": 20.0}, BOTH_RGB),
        ({"brightness_range": 0.2}, BOTH_RGB | BOTH_TIR),
        ({"night": 1.0, "lasting": 1.0}, BOTH_RGB),
        ({"night": 1.0, "lasting": 0.0}, {"search_rgb"}),
        ({"glare": 1.0}, {"search_rgb"}),
        ({"noise": 1.0, "lasting": 1.0}, BOTH_RGB),
        ({"inverted": 1.0}, BOTH_TIR),
        ({"contrast": 0.5}, BOTH_TIR),
        ({"level_change": 10.0}, BOTH_TIR),
        ({"thermal_noise": 1.0, "lasting": 0.0}, {"search_tir"}),
        ({"blur": 1.0}, {"search_rgb", "search_tir"}),
        ({"small": 1.0}, BOTH_RGB | BOTH_TIR),
        ({"small": 1.0, "small_side": (200.0, 300.0), "small_thermal": (1.0, 1.0)}, set()),
        ({"smoke": 1.0, "smoke_lasting": 0.0}, {"search_rgb"}),
        ({"smoke": 1.0, "smoke_lasting": 1.0}, BOTH_RGB),
        ({"thermal_blur": 1.0}, BOTH_TIR),
        ({"ghost": 1.0}, {"search_tir"}),
    ],
)
def test_every_effect_changes_its_own_crops_only(settings, expected):
    assert changed(*aged(**settings)) == expected


def test_night_is_dark_and_grey_has_no_colour():
    before, after = aged(night=1.0, night_strength=(0.9, 1.0), lasting=1.0)
    assert after["search_rgb"].mean() < 0.4 * before["search_rgb"].mean()
    _, after = aged(grey=1.0)
    assert np.ptp(after["search_rgb"], axis=2).max() == 0


def test_the_papers_brightness_stays_in_its_range():
    ratios = []
    for seed in range(30):
        before, after = aged(seed, brightness_range=0.2)
        ratios += [after[n].mean() / before[n].mean() for n in ("template_rgb", "search_rgb", "search_tir")]
    assert 0.79 < min(ratios) < 0.85 and 1.15 < max(ratios) < 1.21


def test_one_modality_is_dropped_never_both():
    seen = [tuple(aged(seed, dropped=0.5)[1]["present"]) for seed in range(20)]
    assert set(seen) == {(True, False), (False, True)}
    _, after = aged(dropped=0.5, present=(False, True))
    assert tuple(after["present"]) == (False, True)
    assert not after["search_rgb"].any() and after["search_tir"].any()


def test_one_camera_is_black_and_still_counts_as_present():
    seen = set()
    for seed in range(12):
        before, after = aged(seed, black=1.0, black_lasting=0.0)
        (name,) = changed(before, after)
        seen.add(name)
        assert after[name].mean() < 15 and after["present"].all()
    assert seen == {"search_rgb", "search_tir"}
    assert changed(*aged(black=1.0, black_lasting=1.0)) in (BOTH_RGB, BOTH_TIR)


def test_smoke_and_black_spare_the_only_camera_and_at_most_one_of_two():
    assert changed(*aged(present=(True, False), smoke=1.0, black=1.0)) == {
        "template_tir",
        "search_tir",
    }  # absent: zeros
    assert changed(*aged(smoke=1.0, black=1.0, live=(True, False))) == set()
    for seed in range(12):
        before, after = aged(seed, smoke=1.0, black=0.5)
        assert not {"search_rgb", "search_tir"} <= changed(before, after)
