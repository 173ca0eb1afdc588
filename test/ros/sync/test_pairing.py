"""Two streams that keep no promises become pairs."""

import itertools

import numpy as np
import pytest

from ckd_ros.frames import Image
from ckd_ros.ros.sync.matching import LatestMatcher
from ckd_ros.ros.sync.pairing import FramePairer
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, Verdict

MS = 1_000_000
BASE = 1_700_000_000_000 * MS  # stamps are epoch times, arrivals are not
IMAGE = Image(np.zeros((4, 4), np.uint8), "mono8")


def frame(stream, stamp_ms, arrival_ms=None):
    """An image of a moment, arriving then unless said otherwise."""
    arrival = stamp_ms if arrival_ms is None else arrival_ms
    return CameraFrame(
        stream, BASE + round(stamp_ms * MS), round((10_000 + arrival) * MS), lambda: IMAGE, f"{stream}_frame"
    )


def pairer(slop=0.05, timeout=0.5, history=2.0):
    return FramePairer(LatestMatcher(), slop, timeout, history)


def ms(f):
    return None if f is None else (f.stamp - BASE) / MS


def run(p, frames):
    """Feed frames in order of arrival and take whatever is ready after each: (rgb ms, thermal ms) of every pair."""
    taken = []
    for f in sorted(frames, key=lambda f: f.arrival):
        p.add(f)
        pair = p.take()
        if pair is not None:
            taken.append((ms(pair.rgb), ms(pair.thermal)))
    return taken


def stream(name, period, count, start=0.0, delay=0.0):
    return [frame(name, start + i * period, start + i * period + delay) for i in range(count)]


def test_images_of_one_moment_pair_whichever_comes_first():
    assert run(pairer(), [frame(RGB, 0, 1), frame(THERMAL, 0, 2)]) == [(0, 0)]
    assert run(pairer(), [frame(RGB, 0, 2), frame(THERMAL, 0, 1)]) == [(0, 0)]


def test_stamps_may_differ_by_the_slop_and_no_more():
    assert run(pairer(slop=0.02), [frame(RGB, 0), frame(THERMAL, 20)]) == [(0, 20)]
    assert run(pairer(slop=0.02), [frame(RGB, 0), frame(THERMAL, 20.001)]) == []


@pytest.mark.parametrize("offset", [-16, -5, 0, 5, 16])
@pytest.mark.parametrize("delay", [0, 40, 90])
def test_two_regular_streams_pair_every_image_with_its_nearest(offset, delay):
    frames = stream(RGB, 33, 60) + stream(THERMAL, 33, 60, start=offset, delay=delay)
    pairs = run(pairer(), frames)
    assert len(pairs) >= 57
    assert all(t - r == offset for r, t in pairs[3:])


def test_a_pairing_that_starts_one_image_off_finds_the_nearest_ones():
    # The first colour image is missing, so that the only partner in reach is 28 ms off at first.
    frames = [frame(THERMAL, -28)] + stream(RGB, 33, 40) + stream(THERMAL, 33, 40, start=5)
    assert all(t - r == 5 for r, t in run(pairer(), frames)[5:])


def test_lost_images_cost_their_own_pair_only():
    rgb, thermal = stream(RGB, 33, 90), stream(THERMAL, 33, 90, start=7)
    del rgb[50], rgb[30], thermal[70], thermal[40]
    pairs = run(pairer(), rgb + thermal)
    assert len(pairs) == 90 - 4
    assert all(t - r == 7 for r, t in pairs)


def test_a_slow_thermal_camera_sets_the_rate_of_pairs():
    pairs = run(pairer(), stream(RGB, 33.3, 90) + stream(THERMAL, 111, 27, start=4))
    assert len(pairs) >= 25 and all(None not in pair for pair in pairs)
    assert max(abs(t - r) for r, t in pairs[2:]) <= 33.3 / 2 + 1


def test_the_newest_pair_is_taken_and_those_before_are_passed_over():
    p = pairer()
    for f in sorted(stream(RGB, 33, 5) + stream(THERMAL, 33, 5), key=lambda f: f.arrival):
        p.add(f)
    pair = p.take()
    assert (ms(pair.rgb), ms(pair.thermal)) == (132, 132)
    assert (p.counters.paired, pair.number) == (5, 5)
    assert not p.ready and p.take() is None


def test_the_newest_image_of_a_stream_is_found_paired_or_not():
    p = pairer()
    run(p, [frame(RGB, 0, 0), frame(THERMAL, 0, 1), frame(RGB, 33, 33)])
    assert (ms(p.newest(RGB).rgb), ms(p.newest(RGB).thermal)) == (0, 0)
    p = pairer()
    run(p, [frame(RGB, 0)])
    assert (ms(p.newest(RGB).rgb), p.newest(RGB).thermal) == (0, None)
    with pytest.raises(LookupError, match="no thermal image has arrived"):
        p.newest(THERMAL)


@pytest.mark.parametrize("alive, expected", [(RGB, lambda t: (t, None)), (THERMAL, lambda t: (None, t))])
def test_when_a_regular_stream_stops_the_other_goes_on_alone_with_the_third_image_and_pairs_when_it_returns(
    alive, expected
):
    silent = THERMAL if alive == RGB else RGB
    p = pairer(timeout=0.5)
    pairs = run(p, stream(alive, 50, 80) + stream(silent, 50, 20) + stream(silent, 50, 20, start=3000))
    assert pairs[:20] == [(50 * i, 50 * i) for i in range(20)]
    alone = [pair for pair in pairs if None in pair]
    assert alone == [expected(50.0 * i) for i in range(22, 61)]
    assert pairs[-19:] == [(50 * i, 50 * i) for i in range(61, 80)]


@pytest.mark.parametrize("alive, expected", [(RGB, lambda t: (t, None)), (THERMAL, lambda t: (None, t))])
def test_when_an_irregular_stream_stops_the_other_goes_on_alone_after_the_timeout(alive, expected):
    silent = THERMAL if alive == RGB else RGB
    p = pairer(timeout=0.5)
    in_bursts = [frame(silent, 50 * i, 200 * (i // 4 + 1)) for i in range(20)]
    alone = [pair for pair in run(p, stream(alive, 50, 60) + in_bursts) if None in pair]
    assert alone[0] == expected(1550.0)
    assert alone[-1] == expected(2950.0) and len(alone) == 29


def test_images_that_all_come_late_as_this_machine_has_stalled_pair_all_the_same():
    late = [
        frame(name, 50 * i, 1260 + 2 * (i - 20) + (name == THERMAL) if 20 <= i < 26 else 50 * i)
        for i in range(60)
        for name in (RGB, THERMAL)
    ]
    pairs = run(pairer(), late)
    assert len(pairs) == 60 and not any(None in pair for pair in pairs)


@pytest.mark.parametrize("alive", [RGB, THERMAL])
def test_a_stream_that_never_had_a_partner_goes_alone(alive):
    pairs = run(pairer(timeout=0.5), stream(alive, 50, 40))
    assert 28 <= len(pairs) <= 30


@pytest.mark.parametrize("alive", [RGB, THERMAL])
def test_a_camera_slower_than_the_timeout_goes_alone(alive):
    pairs = run(pairer(timeout=0.5), stream(alive, 1000, 20))
    assert len(pairs) == 19


def test_cameras_slower_than_the_timeout_pair():
    pairs = run(pairer(timeout=0.5), stream(RGB, 1000, 30) + stream(THERMAL, 1000, 30, start=20))
    assert pairs[-20:] == [(1000.0 * i, 1000.0 * i + 20) for i in range(10, 30)]


def test_a_stream_that_returns_is_paired_again():
    frames = stream(RGB, 33, 200) + stream(THERMAL, 33, 30, start=5) + stream(THERMAL, 33, 70, start=130 * 33 + 5)
    pairs = run(pairer(), frames)
    assert (129 * 33, None) in pairs
    assert [pair for pair in pairs if pair[0] >= 132 * 33] == [(33 * i, 33 * i + 5) for i in range(132, 200)]


def test_when_the_stamps_never_agree_colour_goes_alone_and_pairs_return_with_agreement():
    rgb = stream(RGB, 33, 120)
    wrong = [frame(THERMAL, 100_000 + 33 * i, 33 * i + 5) for i in range(60)]
    right = stream(THERMAL, 33, 60, start=60 * 33 + 5)
    p = pairer()
    pairs = run(p, rgb + wrong + right)
    assert (50 * 33, None) in pairs and not any(r is None for r, _ in pairs)
    assert pairs[-1] == (119 * 33, 119 * 33 + 5)
    assert p.counters.clock_set_back[THERMAL] == 1


def test_repeated_stamps_are_refused():
    p = pairer()
    assert p.add(frame(RGB, 0, 0)) is Verdict.ACCEPTED
    assert p.add(frame(RGB, 0, 33)) is Verdict.REPEATED
    assert p.counters.repeated[RGB] == 1
    assert run(p, [frame(THERMAL, 0, 40), frame(THERMAL, 0, 41)]) == [(0, 0)]


def test_a_stream_whose_stamps_stand_still_counts_as_stopped():
    stuck = [frame(THERMAL, 0, 33 * i + 1) for i in range(60)]
    pairs = run(pairer(), stream(RGB, 33, 60) + stuck)
    assert pairs[0] == (0, 0) and pairs[-1] == (59 * 33, None)


def test_late_images_are_refused():
    p = pairer()
    assert p.add(frame(RGB, 100, 0)) is Verdict.ACCEPTED
    assert p.add(frame(RGB, 67, 1)) is Verdict.LATE
    assert p.counters.late[RGB] == 1


@pytest.mark.parametrize("length", [300, 3000])
def test_a_bag_that_loops_starts_anew_each_time(length):
    period, count = 33, length // 33
    frames, loops = [], 4
    for loop in range(loops):
        for i in range(count):
            at = loop * (count * period + 10) + i * period
            frames += [frame(RGB, i * period, at), frame(THERMAL, i * period + 5, at + 5)]
    p = pairer()
    pairs = run(p, frames)
    assert len(pairs) >= loops * (count - 5)
    assert all(r is not None and t is not None and t - r == 5 for r, t in pairs)
    assert p.counters.clock_set_back == {RGB: loops - 1, THERMAL: loops - 1}


@pytest.mark.parametrize("wrong", [-1e9, 1e9, -2000, 2000])
def test_a_single_wild_stamp_costs_its_own_pair_only(wrong):
    frames = stream(RGB, 33, 60) + stream(THERMAL, 33, 60, start=5)
    frames[20] = frame(RGB, 20 * 33 + wrong, 20 * 33)
    pairs = run(pairer(), frames)
    assert pairs == [(33 * i, 33 * i + 5) for i in range(60) if i != 20]


def test_a_buffered_moment_is_found_by_the_stamp_of_either_image():
    p = pairer()
    run(p, stream(RGB, 33, 60) + stream(THERMAL, 33, 60, start=5))
    pair = p.start_at(THERMAL, BASE + (20 * 33 + 5) * MS)
    assert (ms(pair.rgb), ms(pair.thermal)) == (20 * 33, 20 * 33 + 5)
    assert p.start_at(RGB, BASE + 20 * 33 * MS) is pair
    assert [ms(later.rgb) for later in p.after(pair)] == [33.0 * i for i in range(21, 60)]


def test_a_buffered_image_without_a_partner_is_found_too():
    p = pairer()
    thermal = stream(THERMAL, 33, 60, start=5)
    del thermal[20]
    run(p, stream(RGB, 33, 60) + thermal)
    pair = p.start_at(RGB, BASE + 20 * 33 * MS)
    assert (ms(pair.rgb), pair.thermal) == (20 * 33, None)
    assert ms(p.after(pair)[0].rgb) == 21 * 33


def test_a_moment_outside_the_buffer_is_refused_with_what_the_buffer_holds():
    p = pairer(history=1.0)
    with pytest.raises(LookupError, match="no rgb image has arrived"):
        p.start_at(RGB, BASE)
    run(p, stream(RGB, 50, 100) + stream(THERMAL, 50, 100))
    with pytest.raises(LookupError, match=r"reaches from \d+\.\d+ s to \d+\.\d+ s"):
        p.start_at(RGB, BASE + 3000 * MS)
    assert ms(p.start_at(RGB, BASE + 4000 * MS).rgb) == 4000


def test_the_buffer_is_bounded_by_the_time_of_arrival():
    p = pairer(history=1.0)
    stuck_far_ahead = [frame(THERMAL, 1e7 + i, 33 * i) for i in range(3000)]
    run(p, stream(RGB, 33, 3000) + stuck_far_ahead)
    assert all(len(s.history) <= 32 and len(s.waiting) <= 32 for s in p.streams.values())
    assert len(p.pairs) <= 32


def test_limits_can_change_while_running():
    p = pairer(slop=0.001)
    assert run(p, [frame(RGB, 0), frame(THERMAL, 10)]) == []
    p.configure(0.05, 0.5, 2.0, "pair")
    assert run(p, [frame(RGB, 100), frame(THERMAL, 110)]) == [(100, 110)]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_arrives_pairs_are_sound(seed):
    """Random rates, phases, jitter, loss, delays, wild stamps and pauses: properties that hold for all of it."""
    rng = np.random.default_rng(seed)
    slop = rng.uniform(0.005, 0.08)
    frames = []
    for name in (RGB, THERMAL):
        period = rng.uniform(15, 120)
        count = int(4000 / period)
        stamps = np.arange(count) * period + rng.uniform(0, 50) + rng.normal(0, rng.choice([0, 3, 12]), count)
        kept = rng.random(count) > rng.choice([0, 0.1, 0.5])
        pause = rng.uniform(0, 4000) if rng.random() < 0.5 else -1e9
        for stamp in stamps[kept & ~((stamps > pause) & (stamps < pause + 1500))]:
            wild = rng.choice([0, -1e7, 1e7, -300]) if rng.random() < 0.03 else 0
            frames.append(frame(name, stamp + wild, stamp + rng.exponential(10)))
    p = pairer(slop=slop)
    frames.sort(key=lambda f: f.arrival)
    pairs = []
    for f in frames:
        p.add(f)
        new = p.take()
        if new is not None:
            pairs.append(new)
            assert new.arrival == f.arrival, "a pair is ready the moment its last image arrives, never later"
    used = list(itertools.chain.from_iterable(pair.frames for pair in pairs))
    assert len(used) == len(set(map(id, used))), "an image is used once"
    assert all(abs(pair.rgb.stamp - pair.thermal.stamp) <= slop * 1e9 for pair in pairs if len(pair.frames) == 2)
    assert all(a.arrival <= b.arrival and a.number < b.number for a, b in itertools.pairwise(pairs))
    assert p.counters.paired + p.counters.single == len(pairs) == pairs[-1].number
    received = sum(p.counters.received.values())
    refused = sum(p.counters.late.values()) + sum(p.counters.repeated.values())
    waiting = sum(len(s.waiting) for s in p.streams.values())
    lost_at_restarts = received - refused - len(used) - waiting - sum(p.counters.unpaired.values())
    assert 0 <= lost_at_restarts <= 40 * sum(p.counters.clock_set_back.values())
