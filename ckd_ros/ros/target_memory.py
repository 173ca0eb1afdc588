"""The target as it was last seen for certain, kept where it outlives the node's process."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import FloatArray
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.tracking import Tracker, TrackResult, TrackState

#: Between two writings, seconds.
PERIOD = 1.0
#: What a node says that follows no target.
IDLE = "IDLE: nothing is followed until init_target shows the target"


@dataclass(frozen=True)
class SeenTarget:
    """A target, and the images in which it was seen.

    Attributes:
        target: its number.
        box: `(4,)` `(x, y, w, h)` in pixels of the image of stream `drawn_in`.
        age: seconds since then.
    """

    target: int
    images: FramePair
    box: FloatArray
    drawn_in: str
    age: float


class TargetMemory:
    """Remembers the last target of one node in a file, in memory where the system has a place for that.

    Args:
        node: full name of the node.
        max_age: what was seen longer ago is not recalled, seconds.

    Attributes:
        path: the file.
    """

    def __init__(self, node: str, max_age: float) -> None:
        home = os.environ.get("ROS_HOME") or Path.home() / ".ros"
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or home) / "ckd_ros"
        self.path = folder / f"{node.strip('/').replace('/', '.')}.npz"
        self.max_age = max_age
        self._target, self._due = 0, -math.inf

    def note(self, target: int, images: FramePair, result: TrackResult) -> None:
        """Remember a target if it is seen for certain. Raises OSError where that cannot be written."""
        now = time.monotonic()
        if result.state is not TrackState.TRACKING or (target == self._target and now < self._due):
            return
        drawn_in, box = (THERMAL, result.thermal_box) if images.rgb is None else (RGB, result.box)
        if not np.isfinite(box).all():
            return
        self._target, self._due = target, now + PERIOD
        shown = {RGB: images.rgb, THERMAL: images.thermal}
        arrays: dict[str, Any] = {name: image.data for name, image in shown.items() if image}
        arrays["encodings"] = [image.encoding if image else "" for image in shown.values()]
        with replacing(self.path) as temporary:
            np.savez(temporary, target=target, box=box, drawn_in=drawn_in, seen=time.time(), **arrays)

    def forget(self) -> None:
        """Remember no target."""
        self._target = 0
        self.path.unlink(missing_ok=True)

    def restore(self, tracker: Tracker) -> tuple[int, str]:
        """Have a tracker follow the target, if it was seen not too long ago. Returns its number, 0 for none, and, for a
        person, what became of it."""
        seen = self.recall()
        if seen is None:
            return 0, IDLE
        if not 0 <= seen.age <= self.max_age:
            return 0, f"{IDLE}; the last one was seen {seen.age:.0f} s ago (init.max_age is {self.max_age:g} s)"
        try:
            tracker.init(seen.images, seen.box, drawn_in=seen.drawn_in)
        except ValueError as error:
            return 0, f"{IDLE}; the last one is not taken up again: {error}"
        return seen.target, f"target {seen.target} is taken up again where it was seen {seen.age:.1f} s ago"

    def recall(self) -> SeenTarget | None:
        """The target that was remembered, whatever its age; None where there is none that can be read."""
        try:
            with np.load(self.path) as file:
                rgb, thermal = (
                    Image(file[name], str(encoding)) if encoding else None
                    for name, encoding in zip((RGB, THERMAL), file["encodings"], strict=True)
                )
                images = FramePair(rgb, thermal, 0 if rgb else None, 0 if thermal else None)
                age = time.time() - float(file["seen"])
                return SeenTarget(int(file["target"]), images, file["box"], str(file["drawn_in"]), age)
        except Exception:  # a damaged archive raises more than zipfile and NumPy have kinds of their own for
            return None
