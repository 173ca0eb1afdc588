"""The node as a lifecycle manager sees it."""

import sys
from types import ModuleType

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for  # noqa: E402
from ckd_ros.msg import Track  # noqa: E402
from lifecycle_msgs.msg import State, Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402


class Manager:
    """Changes and asks for the state of the node through its services."""

    def __init__(self, bench):
        self.bench = bench
        self._change = bench.user.create_client(ChangeState, "tracker/change_state")
        self._get = bench.user.create_client(GetState, "tracker/get_state")
        wait_for(lambda: self._change.service_is_ready() and self._get.service_is_ready())

    def change(self, transition: int) -> bool:
        return self.bench.call(self._change, ChangeState.Request(transition=Transition(id=transition))).success

    @property
    def state(self) -> int:
        return self.bench.call(self._get, GetState.Request()).current_state.id


def test_a_manager_takes_the_node_through_its_states(bench):
    b = bench(autostart=False)
    manager = Manager(b)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    assert b.status()["lifecycle"] == "unconfigured"
    for loop in range(2):
        assert manager.change(Transition.TRANSITION_CONFIGURE)
        assert manager.state == State.PRIMARY_STATE_INACTIVE
        status = b.status()
        assert status["lifecycle"] == "inactive" and status["provider"] == "CPUExecutionProvider"
        assert not any(camera.get_subscription_count() for camera in b.cameras.values())
        for inner in range(2):
            assert manager.change(Transition.TRANSITION_ACTIVATE)
            b.connect()
            b.steps(3)
            assert b.init().target_id == 1 + 2 * loop + inner, "no number is given twice in the life of a node"
            b.follow(3)
            assert manager.change(Transition.TRANSITION_DEACTIVATE)
            wait_for(lambda: not any(camera.get_subscription_count() for camera in b.cameras.values()))
        assert manager.change(Transition.TRANSITION_CLEANUP)
        assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    assert manager.change(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert manager.state == State.PRIMARY_STATE_FINALIZED


@pytest.mark.parametrize("autostart", [True, False])
def test_a_transition_that_there_is_not_is_refused_and_the_node_lives(bench, capfd, autostart):
    b = bench(autostart=autostart)
    if autostart:
        b.started()
    manager = Manager(b)
    before = manager.state
    unknown = [Transition.TRANSITION_UNCONFIGURED_SHUTDOWN] if autostart else [Transition.TRANSITION_DEACTIVATE]
    for transition in (*unknown, Transition.TRANSITION_DESTROY, 77, 255):
        assert not manager.change(transition)
    assert manager.state == before
    said = capfd.readouterr().err
    state = "active" if autostart else "unconfigured"
    assert f"asked for 'transition 77', which it cannot do while it is {state}" in said and "Traceback" not in said
    if autostart:
        b.follow(3)


def test_an_active_node_can_be_shut_down(bench):
    b = bench().started()
    manager = Manager(b)
    assert manager.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert manager.state == State.PRIMARY_STATE_FINALIZED
    assert b.node.worker is None and b.node.engine is None


def test_services_of_an_inactive_node_say_so(bench):
    b = bench(autostart=False)
    wait_for(lambda: b.init_client.service_is_ready() and b.stop_client.service_is_ready())
    for response in (b.init(), b.stop()):
        assert not response.success and "not active" in response.message


def test_a_target_does_not_outlive_a_deactivation(bench):
    b = bench().started()
    manager = Manager(b)
    assert manager.change(Transition.TRANSITION_DEACTIVATE)
    assert b.status()["target"] == "no target"
    assert manager.change(Transition.TRANSITION_ACTIVATE)
    b.connect()
    assert b.steps(2).state == Track.IDLE


@pytest.mark.parametrize(
    "parameters, words",
    [
        ({"model.path": "/nowhere/model.onnx"}, "/nowhere/model.onnx"),
        ({"model.path": __file__}, "model.path"),
    ],
)
def test_a_model_that_cannot_be_used_is_named_and_the_node_stays_unconfigured(bench, capfd, parameters, words):
    b = bench(autostart=False, **parameters)
    manager = Manager(b)
    assert not manager.change(Transition.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    log = capfd.readouterr().err
    assert words in log and "Traceback" not in log
    assert not b.node.start()


def test_exceptions_of_transitions_are_logged(bench, capfd, monkeypatch):
    b = bench(autostart=False)
    monkeypatch.setattr("ckd_ros.ros.tracker_node.Outputs", lambda *a: 1 / 0)
    manager = Manager(b)
    assert not manager.change(Transition.TRANSITION_CONFIGURE)
    assert manager.state == State.PRIMARY_STATE_UNCONFIGURED
    assert "on_configure failed" in (log := capfd.readouterr().err) and "ZeroDivisionError" in log


@pytest.mark.parametrize("state", ["active", "inactive"])
def test_a_manager_of_a_node_that_started_by_itself_is_told_of_autostart(bench, capfd, state):
    b = bench().start()
    manager = Manager(b)
    asked = [Transition.TRANSITION_CONFIGURE]
    if state == "inactive":
        assert manager.change(Transition.TRANSITION_DEACTIVATE)
    else:
        asked.append(Transition.TRANSITION_ACTIVATE)
    assert not any(manager.change(transition) for transition in asked)
    log = capfd.readouterr().err
    assert log.count("Start it with the parameter 'autostart' false") == len(asked)
    assert f"asks the node to configure, but it is {state}: it configured" in log
    assert "No transition matching" not in log and "Unable to start transition" not in log
    if state == "inactive":
        assert manager.change(Transition.TRANSITION_ACTIVATE), "what is possible is still done"
    assert manager.state == State.PRIMARY_STATE_ACTIVE


class Bonds:
    """What stands for `bondpy`: the bonds that were made, each [arguments, whether it beats]."""

    def __init__(self, monkeypatch):
        self.made = made = []

        class Bond:
            def __init__(self, topic, id, node):  # noqa: A002
                self._state = [(topic, id, node), None]
                made.append(self._state)

            def start(self):
                self._state[1] = True

            def shutdown(self):
                self._state[1] = False

        for name in ("bondpy", "bondpy.bondpy"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules["bondpy.bondpy"].Bond = Bond


def test_an_active_node_is_bound_to_the_manager_that_activated_it(bench, monkeypatch):
    bonds = Bonds(monkeypatch)
    b = bench(autostart=False)
    manager = Manager(b)
    assert manager.change(Transition.TRANSITION_CONFIGURE) and not bonds.made
    assert manager.change(Transition.TRANSITION_ACTIVATE)
    assert bonds.made == [[("bond", "tracker", b.node), True]]
    assert manager.change(Transition.TRANSITION_DEACTIVATE)
    assert bonds.made[0][1] is False
    assert manager.change(Transition.TRANSITION_ACTIVATE)
    assert [beats for _, beats in bonds.made] == [False, True]
    assert manager.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert [beats for _, beats in bonds.made] == [False, False]


def test_a_node_that_started_by_itself_is_bound_to_nobody(bench, monkeypatch):
    bonds = Bonds(monkeypatch)
    bench().start()
    assert not bonds.made


def test_without_bondpy_the_manager_must_do_without(bench, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "bondpy", None)
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", None)
    b = bench(autostart=False)
    assert b.node.start()
    assert "bond_timeout" in capfd.readouterr().err


def test_the_approximate_policy_needs_message_filters(bench, capfd):
    b = bench(autostart=False, **{"sync.policy": "approximate"})
    try:
        import message_filters  # noqa: F401
    except ImportError:
        assert not b.node.start()
        log = capfd.readouterr().err
        assert "message_filters" in log and "'latest'" in log and "Traceback" not in log
    else:
        b.started()
        b.follow(20)
