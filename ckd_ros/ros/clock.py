"""What time it is for a node, and how old an image is: also where the clocks of node and cameras cannot be compared."""

from __future__ import annotations

import time

from rclpy.node import Node

from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.sync.streams import CameraPair

#: An image further in the future, or older, than this is stamped by another clock than the node's: nanoseconds.
FUTURE, PAST = 1_000_000_000, 60_000_000_000
#: Simulated time may begin this long after the node, seconds.
BEGINS_WITHIN = 5.0


class NodeClock:
    """The clock of a node; while it waits for `/clock` (`use_sim_time`), the steady clock of this machine.

    Args:
        node: the node.
        faults: told of clocks that cannot be used.
    """

    def __init__(self, node: Node, faults: FaultMonitor) -> None:
        self._clock, self._faults = node.get_clock(), faults
        self._start = time.monotonic()

    def now(self) -> int:
        """The time, nanoseconds."""
        return self._clock.now().nanoseconds or time.monotonic_ns()

    def check(self) -> None:
        """Report simulated time that has not begun."""
        if not self._clock.now().nanoseconds and time.monotonic() - self._start > BEGINS_WITHIN:
            self._faults.report(
                "clock",
                "use_sim_time is true, but no time arrives on /clock: start the simulation, play the bag with --clock, "
                "or set use_sim_time to false. Until then a steady clock is used",
            )

    def latency(self, pair: CameraPair) -> float:
        """Seconds since the newer image of a pair was taken; since it arrived where its stamp is of another clock."""
        newest = max(pair.frames, key=lambda frame: frame.moment)
        now = self._clock.now().nanoseconds
        if now and -FUTURE <= now - newest.moment <= PAST:
            return (now - newest.moment) / 1e9
        if now:
            self._faults.report(
                f"{newest.stream} clock",
                f"the stamps of the {newest.stream} images are {abs(now - newest.moment) / 1e9:.1f} s "
                f"{'behind' if now > newest.moment else 'ahead of'} the node's clock: a bag needs --clock and "
                "use_sim_time, a camera a clock that is set. Until then the latency is counted from reception",
            )
        return (time.monotonic_ns() - pair.arrival) / 1e9
