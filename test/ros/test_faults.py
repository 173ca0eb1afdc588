"""A fault is logged once when it begins, kept while it lasts, and said to be over."""

from ckd_ros.ros.faults import OVER_AFTER, REMIND_AFTER, FaultMonitor


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def monitor():
    clock, warnings, infos = Clock(), [], []
    return FaultMonitor(warnings.append, infos.append, clock), clock, warnings, infos


def test_it_is_logged_once_however_often_it_happens():
    faults, clock, warnings, _ = monitor()
    for _ in range(100):
        clock.now += 0.033
        faults.report("rgb image", "broken")
    assert warnings == ["broken"]
    assert faults.active()["rgb image"].count == 100


def test_different_faults_are_logged_each():
    faults, _, warnings, _ = monitor()
    faults.report("rgb image", "broken")
    faults.report("thermal image", "broken too")
    assert warnings == ["broken", "broken too"] and set(faults.active()) == {"rgb image", "thermal image"}


def test_the_newest_message_is_kept():
    faults, _, _, _ = monitor()
    faults.report("pairing", "1 s apart")
    faults.report("pairing", "2 s apart")
    assert faults.active()["pairing"].message == "2 s apart"


def test_one_that_lasts_is_recalled_now_and_then():
    faults, clock, warnings, _ = monitor()
    for _ in range(int(2.5 * REMIND_AFTER)):
        clock.now += 1.0
        faults.report("rgb image", "broken")
    assert len(warnings) == 3 and "still" in warnings[1]


def test_one_that_may_be_as_it_should_be_is_not():
    faults, clock, warnings, _ = monitor()
    for _ in range(int(2.5 * REMIND_AFTER)):
        clock.now += 1.0
        faults.report("rgb silent", "nobody publishes", remind=False)
    assert warnings == ["nobody publishes"] and "rgb silent" in faults.active()


def test_one_that_stopped_is_over_and_logged_again_when_it_returns():
    faults, clock, warnings, infos = monitor()
    faults.report("rgb image", "broken")
    clock.now += OVER_AFTER - 0.1
    assert faults.active() and not infos
    clock.now += 0.2
    assert not faults.active() and "over" in infos[0] and "rgb image" in infos[0]
    faults.report("rgb image", "broken")
    assert len(warnings) == 2
