"""`qos_overrides.<topic>.<publisher or subscription>.<policy>`: ROS 2's own parameters for the QoS of single topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from difflib import get_close_matches
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

#: What the names of these parameters begin with.
PREFIX = "qos_overrides."

_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
_CHOICES = {
    policy: tuple(member.name.lower() for member in kind if member.name != "UNKNOWN")
    for policy, kind in (
        ("history", HistoryPolicy),
        ("reliability", ReliabilityPolicy),
        ("durability", DurabilityPolicy),
    )
}


def overridable(qos: QoSProfile | int) -> dict[str, Any]:
    """The arguments that give a publisher or subscription a QoS (or depth), and have it follow its `qos_overrides`."""
    # a copy, because rclpy writes the overrides into the profile
    own = QoSProfile(depth=qos) if isinstance(qos, int) else copy(qos)
    return {"qos_profile": own, "qos_overriding_options": QoSOverridingOptions(_POLICIES)}


def faults(given: Mapping[str, Any]) -> list[str]:
    """What is wrong with overrides among parameters that were given: a text for each, with what it takes."""
    found = []
    for name, value in given.items():
        policy = name.rpartition(".")[2]
        if not name.startswith(PREFIX):
            continue
        if policy == "depth":
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                found.append(f"parameter '{name}' is {value!r}: it must be a whole number of at least 0")
        elif policy not in _CHOICES:
            found.append(f"parameter '{name}': '{policy}' cannot be overridden, but depth, {', '.join(_CHOICES)} can")
        elif value not in _CHOICES[policy]:
            found.append(f"parameter '{name}' is {value!r}: it must be {' | '.join(_CHOICES[policy])}")
    return found


def without_effect(node: Node, given: Iterable[str]) -> list[str]:
    """A text for each override among the names of parameters that were given which no topic of the node follows."""
    ends = {f"{PREFIX}{end.topic_name}.publisher" for end in node.publishers}
    ends |= {f"{PREFIX}{end.topic_name}.subscription" for end in node.subscriptions}
    # rclpy declares the parameters of the topics that follow them; its own topics do not
    ends = {end for end in ends if all(node.has_parameter(f"{end}.{policy.name.lower()}") for policy in _POLICIES)}
    texts = []
    for name in given:
        end = name.rpartition(".")[0]
        if name.startswith(PREFIX) and end not in ends:
            near = get_close_matches(end, ends, n=1, cutoff=0.0)[0]
            texts.append(
                f"parameter '{name}' has no effect: no topic of the node follows it, the nearest that does is '{near}'"
            )
    return texts
