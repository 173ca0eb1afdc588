"""Images that show little are told from those that look bad but show the scene, and count for what they are."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from moving_target import CELL, error, follow, path

from ckd_ros.datasets import degradations
from ckd_ros.datasets.textures import smooth_noise
from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import TrackState
from ckd_ros.tracking.image_quality import GOOD, ImageQuality, QualityMonitor

WIDTH, HEIGHT = 320, 256


def made_world():
    rng = np.random.default_rng(0)
    octaves = [(60, 80.0), (40, 20.0), (20, 6.0)]
    world = 110 + sum(a * smooth_noise(rng, 2 * WIDTH, 2 * HEIGHT, cell) for a, cell in octaves)
    return np.clip(world, 0, 255).astype(np.uint8)


WORLD = made_world()


def view(k, speed=2):
    """What a camera that pans shows in frame k, with a little noise: `H x W` uint8."""
    x, y = (speed * k) % WIDTH, (speed * k // 2) % HEIGHT
    return degradations.noise(WORLD[y : y + HEIGHT, x : x + WIDTH], 0.07, np.random.default_rng(k))


def colour(pixels):
    return Image(np.repeat(pixels[..., None], 3, axis=2), "rgb8")


def grey(pixels):
    return Image(pixels, "mono8")


def counts(pixels):
    """A radiometric thermal image of the same: 3 kelvins in hundredths, around 20 degrees."""
    return Image((29300 + 1.2 * (pixels.astype(float) - 128)).astype(np.uint16), "mono16")


def watched(make=grey, frames=20, **options):
    """A monitor that has seen good images."""
    monitor = QualityMonitor()
    for k in range(frames):
        assert monitor.judge(make(view(k, **options))).reason == ""
    return monitor


def even(level, sigma=2.0, seed=0):
    values = np.random.default_rng(seed).normal(level, sigma, (HEIGHT, WIDTH))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def torn(pixels):
    changed = pixels.copy()
    changed[100:] = np.roll(changed[100:], 20, axis=1)
    return changed


def without_rows(pixels):
    changed = pixels.copy()
    changed[100:] = 128
    return changed


FAULTS = {
    "black": (lambda p: even(4), "shows nothing (black"),
    "white": (lambda p: even(253), "shows nothing (white"),
    "shutter": (lambda p: even(120), "shows nothing (grey"),
    "fog": (lambda p: degradations.gain(p, 0.05, 40.0), "of the contrast that it had"),
    "overexposed": (lambda p: degradations.gain(p, 2.0, 200.0), "is overexposed"),
    "noise": (
        lambda p: even(0, 0) + np.clip(p + np.random.default_rng(1).normal(0, 80, p.shape), 0, 255).astype("u1"),
        "is drowned in noise",
    ),
    "torn": (torn, "is torn (displaced by 2"),
    "rows": (without_rows, "% of its rows empty"),
}


@pytest.mark.parametrize("make", [grey, colour])
@pytest.mark.parametrize(("change", "says"), FAULTS.values(), ids=FAULTS)
def test_a_bad_image_is_found_at_once_named_and_forgotten_when_good(make, change, says):
    monitor = watched(make)
    verdict = monitor.judge(make(change(view(20))))
    assert verdict.weight < GOOD and says in verdict.reason
    good = monitor.judge(make(view(21)))
    assert (good.weight, good.reason) == (1.0, "")


@pytest.mark.parametrize("top", [65535, 16383], ids=["its encoding's", "a camera of 14 bits"])
def test_a_saturated_image_of_16_bits_is_found_wherever_its_values_end(top):
    def shown(pixels, more=0):
        return Image(np.clip(top - 9000 + 40.0 * pixels + more, 0, top).astype(np.uint16), "mono16")

    monitor = watched(shown)
    verdict = monitor.judge(shown(view(20), more=6000))
    assert verdict.weight < GOOD and "is overexposed" in verdict.reason
    assert monitor.judge(shown(view(21))).weight == 1.0


def test_a_torn_image_of_a_small_camera_is_found():
    width, height = 160, 120

    def small(pixels):
        return grey(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))

    monitor = watched(small)
    pixels = small(view(20)).data
    pixels[height // 2 :] = np.roll(pixels[height // 2 :], width // 8, axis=1)
    verdict = monitor.judge(grey(pixels))
    assert f"is torn (displaced by {width // 8} pixels" in verdict.reason and verdict.weight < GOOD
    assert monitor.judge(small(view(21))).reason == ""


@pytest.mark.parametrize("make", [grey, colour, counts])
def test_an_image_without_structure_is_bad_from_the_first_on_however_long_it_lasts(make):
    monitor = QualityMonitor()
    for k in range(400):
        verdict = monitor.judge(make(even(6, seed=k)))
        assert verdict.weight < GOOD and "shows nothing" in verdict.reason


SCENES = {
    "night, from the first image on": lambda p, k: degradations.night(
        np.repeat(p[..., None], 3, 2), 1.0, np.random.default_rng(k)
    ),
    "night that falls": lambda p, k: degradations.night(
        np.repeat(p[..., None], 3, 2), min(1.0, k / 60), np.random.default_rng(k)
    ),
    "motion blur that begins": lambda p, k: degradations.blur(p, 25.0 if k > 20 else 0.0, 0.3),
    "gain that changes at once": lambda p, k: degradations.gain(p, 0.4, 40.0) if k > 20 else p,
    "little contrast": lambda p, k: degradations.gain(p, 0.06, 0.0),
    "a cold sky that comes into view, clipped": lambda p, k: np.where(np.arange(HEIGHT)[:, None] < 3 * k, 0, p).astype(
        np.uint8
    ),
    "a light that comes": lambda p, k: degradations.glare(np.repeat(p[..., None], 3, 2), min(1.0, k / 20), (0.4, 0.3)),
}


@pytest.mark.parametrize("change", SCENES.values(), ids=SCENES)
def test_an_image_that_still_shows_the_scene_is_not_called_bad(change):
    monitor = QualityMonitor()
    for k in range(80):
        pixels = change(view(k), k)
        verdict = monitor.judge(Image(pixels, "mono8" if pixels.ndim == 2 else "rgb8"))
        assert verdict.reason == "" and verdict.weight >= GOOD


def test_a_fast_turn_is_not_called_bad():
    watched(frames=80, speed=37)


def test_a_thermal_scene_of_little_contrast_is_not_called_bad():
    watched(counts, frames=40)


@pytest.mark.parametrize(("factor", "level"), [(0.5, 0.0), (1.0, 60.0), (0.8, -40.0)])
def test_a_gain_that_jumps_is_said_once_and_no_fault(factor, level):
    monitor = watched()
    assert all(monitor.judge(grey(view(k))).jump == "" for k in range(20, 40))
    jumps = [monitor.judge(grey(degradations.gain(view(k), factor, level))) for k in range(40, 60)]
    assert jumps[0].jump and jumps[0].weight > 0.95
    assert all(one.jump == "" for one in jumps[1:])


def test_a_gain_switch_costs_a_colour_image_and_no_thermal_image_which_is_stretched():
    for stretched in (False, True):
        monitor = QualityMonitor(stretched)
        assert all(monitor.judge(grey(view(k))).weight >= GOOD for k in range(20))
        switched = monitor.judge(grey(degradations.gain(view(20), 0.06, 30.0)))
        assert (switched.weight >= GOOD) == stretched == bool(switched.jump)


def test_a_jump_is_of_one_image_also_where_that_is_used_again():
    monitor = watched()
    jumped = grey(degradations.gain(view(20), 0.5, 0.0))
    assert monitor.judge(jumped).jump and not monitor.judge(jumped).jump


def test_a_thermal_range_is_learned_anew_where_the_gain_has_jumped(tracker, scene):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 10))
    after = {}
    for k in range(10, 16):
        pair = scene(path(k))
        warmer = Image(pair.thermal.data + np.uint16(150), pair.thermal.encoding)
        result = tracker.update(replace(pair, thermal=warmer))
        assert result.state is TrackState.TRACKING and error(result, scene.box(path(k))) < CELL
        after[k] = result.problems
    assert "a shutter event" in after[10]["thermal gain"] and not any(after[k] for k in range(11, 16))


def test_another_size_or_encoding_begins_anew():
    monitor = watched(grey)
    dull = degradations.gain(view(20), 0.05, 40.0)
    assert monitor.judge(Image(np.ascontiguousarray(dull[::2, ::2]), "mono8")).reason == ""
    assert monitor.judge(Image(dull.astype(np.uint16), "mono16")).reason == ""


def test_contrast_that_stays_away_becomes_usual():
    monitor = watched()
    weights = [monitor.judge(grey(degradations.gain(view(k), 0.04, 40.0))).weight for k in range(600)]
    assert max(weights[:15]) < GOOD < weights[-1]


def test_the_same_image_again_gets_the_same_verdict():
    monitor = watched()
    bad = grey(torn(view(20)))
    assert monitor.judge(bad) == monitor.judge(bad) != monitor.judge(grey(view(21)))


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (7, 9)])
def test_images_of_any_size_are_judged(size):
    monitor, rng = QualityMonitor(), np.random.default_rng(0)
    assert all(0 <= monitor.judge(Image(rng.integers(0, 255, size, np.uint8), "mono8")).weight <= 1 for _ in range(5))


def test_an_image_is_left_out_only_where_the_other_shows_the_scene():
    quality = ImageQuality()
    good, black = colour(view(0)), grey(even(4))
    judged = quality.of(FramePair(good, black))
    assert judged.pair.thermal is None and judged.weights == {"rgb": 1.0} and judged.doubtful == {"tir"}
    assert judged.problems == {"thermal quality": "the thermal image shows nothing (black, level 4): left out"}
    alone = quality.of(FramePair(None, black))
    assert alone.pair.thermal is black and alone.weights == {"tir": 1.0}
    assert "used, as there is no other" in alone.problems["thermal quality"]
    unseen = quality.of(FramePair(colour(view(1)), black), showing={"tir"})
    assert unseen.pair.thermal is black, "the target is not in the colour image"
    both = quality.of(FramePair(colour(even(250)), black))
    assert both.weights == {"rgb": 1.0, "tir": 1.0} and set(both.problems) == {"rgb quality", "thermal quality"}
    assert all("used, as the other camera shows no more" in said for said in both.problems.values())


# -- in the tracker ------------------------------------------------------------------------------------------------


def blinded(pair, name, seed=0):
    image = getattr(pair, name)
    black = np.random.default_rng(seed).integers(0, 4, image.data.shape[:2]).astype(image.data.dtype)
    data = black if image.data.ndim == 2 else np.repeat(black[..., None], image.data.shape[2], axis=2)
    return replace(pair, **{name: Image(data, image.encoding)})


@pytest.mark.parametrize("name", ["rgb", "thermal"])
def test_the_tracker_goes_by_the_camera_that_sees_and_by_both_again(tracker, scene, name):
    tracker.init(scene(path(0)), scene.box(path(0)))
    follow(tracker, scene, range(1, 10))
    for k in range(10, 40):
        result = tracker.update(blinded(scene(path(k)), name, k))
        assert result.state is TrackState.TRACKING and error(result, scene.box(path(k))) < 2 * CELL
        assert (result.used_rgb, result.used_thermal) == (name != "rgb", name != "thermal")
        assert (result.rgb_weight, result.thermal_weight) == (float(name != "rgb"), float(name != "thermal"))
        assert "shows nothing" in result.problems[f"{name} quality"]
    assert tracker.quality.left_out == {"rgb": 0, "thermal": 0} | {name: 30}
    assert len(tracker.quality.describe()) == 1 and f"30 {name} image(s) were left out" in tracker.quality.describe()[0]
    result = follow(tracker, scene, range(40, 45))
    assert result.rgb_weight == result.thermal_weight == 1.0 and not result.problems


def test_a_target_marked_while_a_camera_is_blind_gets_its_template_when_that_sees(tracker, scene):
    first = tracker.init(blinded(scene(path(0)), "thermal"), scene.box(path(0)))
    assert first.used_rgb and not first.used_thermal and first.thermal_weight == 0.0
    follow(tracker, scene, range(1, 10))
    hidden = tracker.update(FramePair(None, scene(path(10)).thermal))
    assert error(hidden, scene.box(path(10))) < 2 * CELL, "found by the thermal image alone"
