"""What a lifecycle node and its manager owe each other: errors in the log, words for a refused transition, a bond."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

_LABELS = {Transition.TRANSITION_CONFIGURE: "configure", Transition.TRANSITION_ACTIVATE: "activate"}
#: What a manager asks for at start, and the states in which a node that started by itself has it behind it.
_BEHIND = {"configure": ("inactive", "active"), "activate": ("active",)}


def logged(transition: Callable) -> Callable:
    """Log the exceptions of a lifecycle transition, which rclpy swallows, and fail the transition."""

    @wraps(transition)
    def wrapper(self: LifecycleNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception:
            self.get_logger().error(f"{transition.__name__} failed: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR

    return wrapper


def answer_transitions(node: LifecycleNode, state: Callable[[], str], autostart: Callable[[], bool]) -> None:
    """Have a node answer whoever asks it for a transition that it cannot make, and say in the log why.

    What its state does not have is kept from rclpy, which on Jazzy raises an exception for it that would end the node.

    Args:
        node: the node.
        state: gives its state: unconfigured, inactive or active.
        autostart: whether it starts by itself. A manager's `configure` and `activate` are then refused with the
            parameter to change.
    """
    (service,) = (service for service in node.services if service.srv_type is ChangeState)
    (listing,) = (service for service in node.services if service.srv_name.endswith("get_available_transitions"))
    change = service.callback

    def has(wanted: Transition) -> bool:
        there: Any = listing.callback(GetAvailableTransitions.Request(), GetAvailableTransitions.Response())
        found = [one.transition for one in there.available_transitions]
        return wanted.label in [one.label for one in found] if wanted.label else wanted.id in [one.id for one in found]

    def on_change_state(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
        wanted = request.transition.label or _LABELS.get(request.transition.id, f"transition {request.transition.id}")
        if autostart() and state() in _BEHIND.get(wanted, ()):
            node.get_logger().error(
                f"a lifecycle manager asks the node to {wanted}, but it is {state()}: it configured and activated "
                "itself. Start it with the parameter 'autostart' false, or take it off the manager's list"
            )
        elif not has(request.transition):
            node.get_logger().error(f"the node was asked for '{wanted}', which it cannot do while it is {state()}")
        else:
            return change(request, response)
        response.success = False
        return response

    service.callback = on_change_state


class ManagerBond:
    """The heartbeat by which nav2's lifecycle manager sees that an active node is alive; it needs `bondpy`.

    As nav2's own nodes do it: on the topic `bond` of the node's namespace, under the node's name.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._bond: Any = None

    def form(self) -> None:
        """Begin the heartbeat; without `bondpy` the log says what the manager must then be told."""
        try:
            from bondpy.bondpy import Bond
        except ImportError:
            self._node.get_logger().info(
                "no bond with a lifecycle manager: install ros-$ROS_DISTRO-bondpy, or set bond_timeout of nav2's "
                "lifecycle manager to 0.0"
            )
            return
        self._bond = Bond(node=self._node, topic="bond", id=self._node.get_name())
        self._bond.start()

    def end(self) -> None:
        """End the heartbeat, and tell the manager so."""
        if self._bond is not None:
            self._bond.shutdown()
            self._bond = None
