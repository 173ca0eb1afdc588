"""Targets among look-alikes: what is shown where, and when the target counts as there."""

import numpy as np
import pytest

pytest.importorskip("torch")

from archives import write_tar

from ckd_ros.datasets.crop_archive import CropArchive
from ckd_ros.datasets.scene import Sprite, Texture, pose
from ckd_ros.network.presets import preset
from ckd_ros.training.samples.config import PAPER, AugmentationConfig, ComposingConfig, IdentityConfig, SampleConfig
from ckd_ros.training.samples.dataset import SampleDataset
from ckd_ros.training.samples.objects import (
    CropObjects,
    changed_shape,
    copy_with_a_difference,
    relit,
    segmented,
)
from ckd_ros.training.samples.scene_pair import visible_share

NETWORK = preset("tinyvit")
PLAIN = {**vars(PAPER), "grey": 0.0, "flip": 0.0, "brightness_range": 0.0}
STEADY = ComposingConfig(crossover=0.0, warmth_contrast=(1.0, 1.0), warmth_level=0.0)
SOURCES = ["crops", "cutouts", "thermal_images"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Archives of objects that differ in level: an object's colour and warmth tell which one it is."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    crops, cutouts, images = {}, {}, {}
    for number in range(12):
        level = 20 + 18 * number
        crops[f"rgb/day_train_person_{100 * number:05d}_0.png"] = np.full((60, 30, 3), level, np.uint8)
        crops[f"tir/day_train_person_{100 * number:05d}_0.png"] = np.full((60, 30), level, np.uint8)
        cutouts[f"rgb/{number:04d}.png"] = np.full((80, 80, 3), level, np.uint8)
        cutouts[f"mask/{number:04d}.png"] = np.pad(np.full((50, 40), 255, np.uint8), ((15, 15), (20, 20)))
        images[f"tir/a_{number}.png"] = rng.integers(0, 60, (240, 320), dtype=np.uint8)
        for x in (30, 160, 290):
            images[f"tir/a_{number}.png"][100:120, x - 8 : x + 8] = 200
    images["boxes.csv"] = "name,class,x,y,w,h\n" + "".join(
        f"a_{number}.png,Car,{x - 8},100,16,20\n" for number in range(12) for x in (30, 160, 290)
    )
    for name, files in {"crops": crops, "cutouts": cutouts, "thermal_images": images}.items():
        write_tar(root / f"{name}.tar", files)
    return root


def make(data, source, augmentation=None, composing=STEADY, negatives=0.0, **identity) -> SampleDataset:
    config = SampleConfig(
        **{name: data / f"{name}.tar" for name in SOURCES},
        weights={source: 1.0},
        dropped=0.0,
        negatives=negatives,
        augmentation=AugmentationConfig(**{**PLAIN, **(augmentation or {})}),
        composing=composing,
        identity=IdentityConfig(**identity),
    )
    return SampleDataset(config, NETWORK, seed=3, length=1000)


def level(crop: np.ndarray, box: np.ndarray) -> float:
    """The median in the middle of a box, NaN where that lies outside the crop."""
    x, y, w, h = box * len(crop)
    rows, columns = (slice(max(0, int(a + 0.4 * b)), max(0, int(a + 0.6 * b) + 1)) for a, b in ((y, h), (x, w)))
    inside = crop[rows, columns]
    return float(np.median(inside)) if inside.size else np.nan


ALONE = {"look_alikes": 0, "front": 0.0, "absent": 0.0, "light": 0.0}


@pytest.mark.parametrize("source", SOURCES)
def test_shapes_and_boxes_and_the_same_sample_again(data, source):
    first, second = make(data, source), make(data, source)
    second[7]
    for index in range(20):
        sample, again = first[index], second[index]
        assert sample["template_rgb"].shape == (64, 64, 3) and sample["search_rgb"].shape == (128, 128, 3)
        assert sample["template_tir"].shape == (64, 64) and sample["search_tir"].shape == (128, 128)
        x, y, w, h = sample["template_box"]
        assert (x + w / 2, y + h / 2) == pytest.approx((0.5, 0.5), abs=0.08)
        assert np.sqrt(w * h) == pytest.approx(0.5, rel=0.15)
        assert "live" not in sample
        for name, value in sample.items():
            np.testing.assert_array_equal(value, again[name])


@pytest.mark.parametrize("source", SOURCES)
def test_the_box_lies_on_the_target_that_the_template_shows(data, source):
    samples = make(data, source, **ALONE)
    name = "tir" if source == "thermal_images" else "rgb"
    off = []
    for index in range(40):
        sample = samples[index]
        assert sample["positive"]
        shown = level(sample[f"template_{name}"], sample["template_box"])
        off.append(abs(level(sample[f"search_{name}"], sample["box"]) - shown))
    assert np.nanmedian(off) <= 3 and np.nanmean(np.array(off) > 12) < 0.1


@pytest.mark.parametrize("source", SOURCES)
def test_where_the_target_is_absent_only_others_are_shown(data, source):
    samples = make(data, source, absent=1.0, elsewhere=0.0)
    shares = [samples[index]["positive"] for index in range(30)]
    # an object of a thermal image may have no other that is far enough away
    assert not any(shares) if source != "thermal_images" else np.mean(shares) < 0.2


def test_an_absent_target_is_nowhere_in_the_search_region(data):
    samples = make(data, "crops", absent=1.0, copies=1.0, look_alikes=3)
    for index in range(25):
        sample = samples[index]
        target = level(sample["template_rgb"], sample["template_box"])
        plain = np.ptp(sample["search_rgb"], axis=2) == 0  # procedural ground is coloured, or grained
        flat = plain & (np.abs(sample["search_rgb"][..., 0] - target) < 1)
        assert flat.mean() < 0.02


def test_a_target_that_is_covered_counts_as_not_there(data):
    covered = make(data, "crops", **{**ALONE, "front": 1.0}, front_alike=1.0, cover=(1.0, 1.0))
    half = make(data, "crops", **{**ALONE, "front": 1.0}, front_alike=1.0, cover=(0.3, 0.4))
    assert np.mean([covered[index]["positive"] for index in range(25)]) < 0.1
    assert all(half[index]["positive"] for index in range(25))


def test_look_alikes_are_of_the_same_class_by_the_same_light_and_not_the_same_object(tmp_path):
    image = np.zeros((30, 20), np.uint8)
    names = [
        f"{light}_train_{kind}_{n:05d}_0"
        for light in ("day", "night")
        for kind in ("car", "person")
        for n in (1, 9, 900)
    ]
    archive = write_tar(tmp_path / "a.tar", {f"{m}/{n}.png": image for m in ("rgb", "tir") for n in names})
    objects, rng = CropObjects(CropArchive(archive)), np.random.default_rng(0)
    for _ in range(40):
        target = objects.target(rng)
        other = objects.other(rng, target)
        light, _, kind, number, _ = other.name.split("_")
        assert (light, kind) == (target.name.split("_")[0], target.name.split("_")[2])
        assert abs(int(number) - int(target.name.split("_")[3])) > 50


@pytest.mark.parametrize("camera", ["rgb", "tir"])
def test_a_frozen_camera_shows_the_target_where_it_was(data, camera):
    samples = make(data, "crops", {"frozen": 1.0, "frozen_motion": (2.0, 3.0)}, **ALONE)
    there = []
    for index in range(30):
        sample = samples[index]
        on = [
            abs(
                level(sample[f"search_{name}"], sample["box"])
                - level(sample[f"template_{name}"], sample["template_box"])
            )
            < 8
            for name in ("rgb", "tir")
        ]
        there.append(on)
    there = np.array(there)
    assert there.any(axis=1).mean() > 0.85  # one of the two is alive
    assert 0.2 < there[:, ("rgb", "tir").index(camera)].mean() < 0.8


def test_visible_share_is_that_of_the_silhouette():
    square = Texture(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8), np.full((20, 20), 255, np.uint8))

    def at(x):
        return Sprite(square, pose(square, x, 50.0, 40.0, 40.0))

    assert visible_share(at(50.0), []) == 1.0
    assert visible_share(at(50.0), [at(60.0)]) == pytest.approx(0.25, abs=0.04)
    assert visible_share(at(50.0), [at(60.0), at(40.0)]) == pytest.approx(0.0, abs=0.06)


def test_an_object_is_told_from_its_surroundings_in_either_modality():
    y, x = np.ogrid[:60, :32]
    body = ((x - 15.5) / 11) ** 2 + ((y - 29.5) / 29) ** 2 < 1
    noise = np.random.default_rng(0).integers(0, 12, (60, 32), dtype=np.uint8)
    for rgb_contrast, thermal_contrast in ((120, 0), (0, 120)):
        rgb = np.repeat((noise + 60 + body * np.uint8(rgb_contrast))[..., None], 3, axis=2)
        alpha = segmented(rgb, noise + 60 + body * np.uint8(thermal_contrast))
        found = alpha > 127
        assert (found & body).sum() / (found | body).sum() > 0.8


def test_a_copy_differs_and_a_later_look_is_the_same_object():
    rng = np.random.default_rng(0)
    rgb = np.zeros((50, 30, 3), np.uint8)
    rgb[:25], rgb[25:] = (200, 40, 40), (40, 40, 200)
    texture = Texture(
        rgb,
        np.where(np.arange(50)[:, None] < 25, 180, 60).repeat(30, 1).astype(np.uint8),
        np.full((50, 30), 255, np.uint8),
    )
    copy = copy_with_a_difference(rng, texture)
    assert (copy.width, copy.height) == (30, 50)
    assert np.abs(copy.rgb[0].astype(int).mean(axis=(0, 1)) - rgb.mean(axis=(0, 1))).max() > 15
    later = changed_shape(rng, texture, 0.03, mirrored=True)
    inside = later.alpha[0] > 250
    colours = np.abs(later.rgb[0][inside].astype(int)[:, None] - [(200, 40, 40), (40, 40, 200)]).max(axis=2).min(axis=1)
    assert np.mean(colours < 10) > 0.9 and inside.sum() == pytest.approx(1500, rel=0.25)


def test_another_light_changes_brightness_but_hardly_the_hue():
    rng = np.random.default_rng(0)
    rgb = np.full((40, 20, 3), (120, 60, 30), np.uint8)
    texture = Texture(rgb, np.full((40, 20), 100, np.uint8), np.full((40, 20), 255, np.uint8))
    means = np.stack([relit(rng, texture, 0.2).rgb[0].mean(axis=(0, 1)) for _ in range(30)])
    assert means[:, 0].std() > 10
    assert means[:, 0] / means[:, 1] == pytest.approx(np.full(30, 2.0), rel=0.2)
    assert relit(rng, texture, 0.0) is texture
