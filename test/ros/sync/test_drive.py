"""Cameras of different rates: one of them drives, and the other's newest image goes with each of its own."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ckd_ros.frames import Image
from ckd_ros.ros.sync.matching import LatestMatcher
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame

MS = 1_000_000
#: Stamps are epoch times, arrivals are not.
BASE = 1_700_000_000_000 * MS
IMAGE = Image(np.zeros((4, 4), np.uint8), "mono8")


def frame(stream, stamp_ms, arrival_ms, offset_ms=0.0):
    stamp, arrival = BASE + round(stamp_ms * MS), round((10_000 + arrival_ms) * MS)
    return CameraFrame(stream, stamp, arrival, lambda: IMAGE, offset=round(offset_ms * MS))


def stream(name, period, count, start=0.0, delay=2.0):
    return [frame(name, start + i * period, start + i * period + delay) for i in range(count)]


def run(frames, drive, said=None, timeout=0.5):
    """A pairer, and the pairs that it made of frames in order of arrival."""
    pairer = FramePairer(LatestMatcher(), 0.05, timeout, 2.0, drive, str if said is None else said.append)
    pairs = []
    for one in sorted(frames, key=lambda one: one.arrival):
        pairer.add(one)
        if (pair := pairer.take()) is not None:
            pairs.append(pair)
    return pairer, pairs


def test_a_slow_thermal_camera_does_not_slow_down_the_tracks():
    said = []
    pairer, pairs = run(stream(RGB, 33.3, 300) + stream(THERMAL, 111, 90, start=4), "auto", said)
    settled = [pair for pair in pairs if pair.arrival > 12_000 * MS]
    assert len(settled) >= 0.99 * 8000 / 33.3
    assert all(pair.thermal is not None and -0.005 <= pair.timing.thermal_age <= 0.116 for pair in settled)
    assert all(pair.timing.moment == pair.rgb.stamp == pair.driving.stamp for pair in settled)
    assert len(said) == 1 and "each rgb image" in said[0] and "colour 30.0 Hz, thermal 9.0 Hz" in said[0]
    assert pairer.snapshot().drive == said[0]
    assert pairer.counters.reused[THERMAL] > 150 and pairer.counters.reused[RGB] == 0


def test_a_quick_thermal_camera_drives():
    _, pairs = run(stream(RGB, 33.3, 300) + stream(THERMAL, 16.7, 600, start=4), "auto")
    newest = pairs[-10]
    assert newest.driver == THERMAL and newest.driving is newest.thermal and newest.reference is newest.rgb
    assert newest.timing.thermal_age == 0.0 and 0.0 < newest.timing.rgb_age < 0.04
    assert len(pairs) > 500


def test_the_same_rates_make_pairs_of_one_moment():
    said = []
    frames = stream(RGB, 33, 200) + stream(THERMAL, 33, 200, start=5)
    pairer, pairs = run(frames, "auto", said)
    assert all(pair.thermal.stamp - pair.rgb.stamp == 5 * MS for pair in pairs)
    assert sum(pairer.counters.reused.values()) == 0
    assert len(said) == 1 and said[0].startswith("images of one moment are paired")


@pytest.mark.parametrize(
    ("thermal_period", "drives"), [(25.0, None), (40.0, None), (50.0, RGB), (20.0, THERMAL)], ids=str
)
def test_rates_that_differ_by_more_than_a_third_are_different(thermal_period, drives):
    frames = stream(RGB, 33, 200) + stream(THERMAL, thermal_period, int(6600 / thermal_period), start=5)
    _, pairs = run(frames, "auto")
    assert (pairs[-1].driver == THERMAL) == (drives == THERMAL)
    used = [id(one) for pair in pairs[-60:] for one in pair.frames]
    assert (len(used) > len(set(used))) == (drives is not None), "images are used again where one drives"


@pytest.mark.parametrize(("drive", "count"), [("pair", 40), ("rgb", 130), ("thermal", 40), ("fastest", 112)])
def test_the_drive_can_be_chosen(drive, count):
    said = []
    _, pairs = run(stream(RGB, 33, 136) + stream(THERMAL, 111, 41, start=4), drive, said)
    assert count <= len(pairs) <= count + 6
    assert all(len(pair.frames) == 2 for pair in pairs[-30:])
    assert len(said) == 1


def test_what_is_no_drive_is_refused():
    with pytest.raises(ValueError, match="sync.drive is 'colour': expected one of auto, pair, rgb, thermal, fastest"):
        run([], "colour")


def test_the_drive_can_change_while_running():
    pairer, pairs = run(stream(RGB, 33, 60) + stream(THERMAL, 111, 18), "pair")
    assert len(pairs) < 20
    pairer.configure(0.05, 0.5, 2.0, "rgb")
    pairer.add(frame(RGB, 2000, 2002))
    assert pairer.take().rgb.stamp == BASE + 2000 * MS


@pytest.mark.parametrize(("silent", "alive"), [(THERMAL, RGB), (RGB, THERMAL)])
def test_when_either_stream_stops_the_other_goes_on_alone_until_it_returns(silent, alive):
    periods = {RGB: 33.3, THERMAL: 111.0}
    frames = stream(alive, periods[alive], int(12_000 / periods[alive]))
    stopped = stream(silent, periods[silent], int(12_000 / periods[silent]), start=3)
    frames += [one for one in stopped if not 4_000 < one.arrival / MS - 10_000 < 8_000]
    _, pairs = run(frames, "auto")
    stops = max(one.arrival for one in stopped if one.arrival / MS <= 14_000)
    gone = [pair for pair in pairs if stops < pair.arrival <= stops + (2.5 * periods[silent] + periods[alive]) * MS]
    assert len(gone[-1].frames) == 1, "by the third image that misses"
    alone = [pair for pair in pairs if 15_000 <= pair.arrival / MS < 18_000]
    assert len(alone) >= 0.95 * 3000 / periods[alive] and all(pair.frames[0].stream == alive for pair in alone)
    back = [pair for pair in pairs if pair.arrival / MS >= 20_000]
    assert len(back) >= 0.95 * 2000 / 33.3 and all(len(pair.frames) == 2 for pair in back)


def test_a_bag_that_loops_starts_anew_each_time():
    frames, loops, length = [], 3, 4000
    for loop in range(loops):
        for name, period in ((RGB, 33.3), (THERMAL, 111)):
            frames += [frame(name, i * period, loop * length + i * period + 2) for i in range(int(length / period))]
    pairer, pairs = run(frames, "auto")
    assert pairer.counters.clock_set_back == {RGB: loops - 1, THERMAL: loops - 1}
    assert all(abs(pair.timing.thermal_age) < 0.15 for pair in pairs if pair.thermal)
    assert sum(pair.thermal is None for pair in pairs) <= 5 * loops, "the end of the bag is no partner of its start"
    assert len(pairs) > 0.9 * loops * length / 33.3 - 30


@pytest.mark.parametrize("jump", [-7.0, 3600.0])
def test_a_wall_clock_that_is_set_costs_little(jump):
    """The clock of one machine with both cameras is set while they run."""
    frames = stream(RGB, 33.3, 400) + stream(THERMAL, 111, 120, start=4)
    frames = [replace(one, stamp=one.stamp + round(jump * 1e9 * (one.arrival > 15_000 * MS))) for one in frames]
    _, pairs = run(frames, "auto")
    late = [pair for pair in pairs if pair.arrival > 15_000 * MS]
    assert len(late) > 0.97 * 8_300 / 33.3
    assert all(pair.thermal is not None and abs(pair.timing.thermal_age) < 0.2 for pair in late[5:])


def test_an_offset_is_taken_off_the_age():
    frames = stream(RGB, 33, 90) + [frame(THERMAL, 111 * i + 300, 111 * i + 4, offset_ms=300) for i in range(27)]
    _, pairs = run(frames, "rgb")
    assert all(-0.005 <= pair.timing.thermal_age <= 0.116 for pair in pairs if pair.thermal)


def test_a_box_is_laid_on_the_pair_that_used_an_image_first():
    pairer, _ = run(stream(RGB, 33.3, 120) + stream(THERMAL, 111, 36, start=4), "auto")
    wanted = pairer.streams[THERMAL].history[-3]
    pair = pairer.start_at(THERMAL, wanted.stamp)
    assert pair.thermal is wanted and pair.timing.thermal_age < 0.034
    assert pairer.newest(RGB).rgb is pairer.streams[RGB].newest


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("drive", ["auto", "rgb", "thermal", "fastest"])
def test_whatever_arrives_pairs_are_sound(seed, drive):
    """Random rates, jitter, loss, disorder, delays, wild stamps and pauses: properties that hold for all of it."""
    rng = np.random.default_rng(seed)
    frames = []
    for name in (RGB, THERMAL):
        period = rng.uniform(15, 120)
        stamps = (
            np.arange(int(5000 / period)) * period
            + rng.uniform(0, 50)
            + rng.normal(0, rng.choice([0, 3, 12]), int(5000 / period))
        )
        kept = rng.random(len(stamps)) > rng.choice([0, 0.1, 0.5])
        pause = rng.uniform(0, 4000) if rng.random() < 0.5 else -1e9
        for stamp in stamps[kept & ~((stamps > pause) & (stamps < pause + 1500))]:
            wild = rng.choice([0, -1e7, 1e7, -300]) if rng.random() < 0.03 else 0
            frames.append(frame(name, stamp + wild, stamp + rng.exponential(20)))
    pairer, pairs = run(frames, drive)
    assert all(a.arrival <= b.arrival and a.number < b.number for a, b in itertools.pairwise(pairs))
    driving = [id(pair.driving) for pair in pairs]
    assert len(driving) == len(set(driving)), "an image drives once"
    assert pairer.counters.paired + pairer.counters.single == len(pairs) == pairs[-1].number
    assert all(abs(age) < 0.6 for pair in pairs for age in (pair.timing.rgb_age, pair.timing.thermal_age))
    assert all(len(one.waiting) < 400 for one in pairer.streams.values())


def test_no_image_is_missed_when_a_stream_begins_to_drive():
    """Colour images of the moment of the decision wait for a partner, and still get it."""
    frames = stream(RGB, 33, 120) + stream(THERMAL, 33, 40, start=0, delay=5) + stream(THERMAL, 99, 27, start=1320)
    _, pairs = run(frames, "auto")
    tracked = {pair.rgb.stamp for pair in pairs if pair.rgb}
    begin = next(pair.arrival for earlier, pair in itertools.pairwise(pairs) if earlier.thermal is pair.thermal)
    around = [
        one for one in frames if one.stream == RGB and abs(one.arrival - begin) < 200 * MS and one.arrival >= begin
    ]
    assert around and all(one.stamp in tracked for one in around)
    _, pairs = run(stream(RGB, 33, 60) + stream(THERMAL, 33, 60, delay=5), "rgb")
    assert pairs[0].rgb.stamp == pairs[0].thermal.stamp == BASE, "the first one waits for the other camera"


def test_a_few_lost_images_are_no_other_rate():
    said = []
    thermal = stream(THERMAL, 33, 90, start=5)
    del thermal[20:26]
    _, pairs = run(stream(RGB, 33, 90) + thermal, "auto", said)
    assert len(said) == 1 and said[0].startswith("images of one moment")
