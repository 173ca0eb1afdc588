"""The worker's order: who is looked for in which pair, where targets are started in the present and in the past."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")

from bench import wait_for  # noqa: E402
from scene import Scene  # noqa: E402

from ckd_ros.ros.faults import FaultMonitor  # noqa: E402
from ckd_ros.ros.pair_loader import PairLoader  # noqa: E402
from ckd_ros.ros.sync.matching import LatestMatcher  # noqa: E402
from ckd_ros.ros.sync.pairing import FramePairer  # noqa: E402
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame  # noqa: E402
from ckd_ros.ros.worker import TargetCount, TrackerWorker  # noqa: E402
from ckd_ros.tracking import ConfidenceConfig, OnnxEngine, TargetGroup, TrackerConfig  # noqa: E402

PERIOD = 33_000_000
PATCH = np.array([250.0, 30.0, 40.0, 32.0])  # of the background
CONFIDENCE = ConfidenceConfig(uncertain_below=0.5, tracking_above=0.55, lost_below=0.45, reacquire_above=0.55)


class Desk:
    """A worker on images that arrived at 30 Hz until now."""

    def __init__(self, model_path, most=4):
        self.scene, self.most, self.published, self.said = Scene(), most, [], []
        faults = FaultMonitor(self.said.append, self.said.append)
        config = TrackerConfig(box_correction=0.0, refine_bound=0.0, confidence=CONFIDENCE)
        self.group = TargetGroup(OnnxEngine(model_path, ["cpu"], threads=1), config=config)
        loader = PairLoader(faults, lambda offset: None)
        pairer = FramePairer(LatestMatcher(), 0.02, 0.5, 5.0)
        self.worker = TrackerWorker(self.group, pairer, loader, self.published.append, faults, TargetCount())
        self.begin = time.monotonic_ns() - 60 * PERIOD
        self.frame = 0

    def add(self, centre):
        """The next pair, with the target there. Returns its stamp."""
        self.frame += 1
        pair, stamp = self.scene(centre), self.frame * PERIOD
        for stream, image in ((RGB, pair.rgb), (THERMAL, pair.thermal)):
            self.worker.add(CameraFrame(stream, stamp, self.begin + stamp, lambda image=image: image, stream))
        return stamp

    def hold(self):
        """Keep the worker busy; call what is returned to let it go on."""
        let_go = threading.Event()
        self.worker.submit(let_go.wait)
        return let_go.set

    def init(self, box, stamp=None):
        """Start a target, in the newest pair or in an older one."""
        stamp = stamp or self.frame * PERIOD
        return self.worker.submit(lambda: self.worker.init_target(np.asarray(box), RGB, stamp, most=self.most))

    def numbers(self, target):
        """Of the pairs in which a target was looked for."""
        return [one.pair.number for one in list(self.published) if target in one.results]


@pytest.fixture
def desk(model_path):
    made = Desk(model_path)
    made.worker.start()
    yield made
    made.worker.stop()


@pytest.mark.parametrize("most", [1, 4])
def test_a_pair_that_waits_while_a_target_is_started_in_it_is_not_published_without_it(desk, most):
    desk.most, here = most, (100.0, 100.0)
    desk.add(here)
    wait_for(lambda: len(desk.published) == 1)
    go_on = desk.hold()
    desk.add(here)
    started = desk.init(desk.scene.box(here))
    go_on()
    assert started.result(5)[0] == 1
    desk.add(here)
    wait_for(lambda: len(desk.numbers(1)) == 2)
    assert [list(one.results) for one in desk.published] == [[], [1], [1]]
    assert desk.worker.snapshot().targets == "target 1 TRACKING"


def test_the_others_go_on_where_a_target_that_catches_up_is_stopped(desk):
    here = (100.0, 100.0)
    stamps = [desk.add(here) for _ in range(20)]
    desk.init(desk.scene.box(here)).result(5)
    go_on = desk.hold()
    desk.init(PATCH, stamps[3])
    stopped = desk.worker.submit(lambda: desk.worker.stop_targets(2))
    go_on()
    assert stopped.result(5) == (2,)
    published = len(desk.published)
    desk.add(here)
    wait_for(lambda: desk.numbers(1)[-1] > desk.numbers(1)[0])
    assert [list(one.results) for one in desk.published[published:]] == [[1]]


def test_a_target_that_catches_up_does_so_while_another_is_started(desk):
    here = (100.0, 100.0)
    stamps = [desk.add(here) for _ in range(20)]
    go_on = desk.hold()
    first, second = desk.init(desk.scene.box(here), stamps[3]), desk.init(PATCH)
    go_on()
    assert (first.result(5)[0], second.result(5)[0]) == (1, 2)
    last = desk.numbers(2)[0]
    wait_for(lambda: desk.numbers(1)[-1] >= last)
    assert max(np.diff(desk.numbers(1))) < 8, "it was shown the pairs between, not the newest at once"
    desk.add(here)
    wait_for(lambda: desk.numbers(2)[-1] > last and desk.numbers(1)[-1] == desk.numbers(2)[-1])
    assert desk.worker.snapshot().targets == "target 1 TRACKING, target 2 TRACKING"


@pytest.mark.parametrize(("drawn", "followed"), [("where it is now", (1, 2)), ("where it was", (2,))])
def test_a_box_of_the_past_is_compared_with_where_targets_were_then(desk, drawn, followed):
    def way(k):
        return 80.0 + 3.0 * k, 100.0

    stamps = []
    for k in range(30):
        stamps.append(desk.add(way(k)))
        if k == 0:
            desk.init(desk.scene.box(way(0))).result(5)
        wait_for(lambda: len(desk.numbers(1)) == len(stamps))
    assert desk.init(desk.scene.box(way(29 if drawn == "where it is now" else 3)), stamps[3]).result(5)[0] == 2
    assert desk.group.targets == followed


def test_one_that_fails_leaves_the_others_alone(desk):
    here = (100.0, 100.0)
    desk.add(here)
    for box in (desk.scene.box(here), PATCH):
        desk.init(box).result(5)

    def fail(pair):
        yield from ()
        raise RuntimeError("out of order")

    desk.group._trackers[2].steps = fail
    for _ in range(3):
        desk.add(here)
        wait_for(lambda: len(desk.numbers(1)) == desk.frame)
    assert len(desk.numbers(2)) == 1
    assert any("target 2 was not followed: RuntimeError" in text for text in desk.said)
