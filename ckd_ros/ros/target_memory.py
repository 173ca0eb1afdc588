"""Targets as they were last seen for certain, kept where they outlive the node's process."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import FloatArray
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.tracking import TargetGroup, TrackResult, TrackState

#: Between two writings, seconds.
PERIOD = 1.0
#: What a node says that follows no target.
IDLE = "IDLE: nothing is followed until init_target shows the target"


@dataclass(frozen=True)
class SeenTarget:
    """A target as it was seen.

    Attributes:
        images: in which it was seen.
        box: `(4,)` `(x, y, w, h)` in pixels of the image of stream `drawn_in`.
        age: seconds since then.
    """

    images: FramePair
    box: FloatArray
    drawn_in: str
    age: float


class TargetMemory:
    """Remembers the targets of one node in a file each, in memory where the system has a place for that.

    Args:
        node: full name of the node.
        max_age: what was seen longer ago is not recalled, seconds.
    """

    def __init__(self, node: str, max_age: float) -> None:
        home = os.environ.get("ROS_HOME") or Path.home() / ".ros"
        self._folder = Path(os.environ.get("XDG_RUNTIME_DIR") or home) / "ckd_ros"
        self._name = node.strip("/").replace("/", ".")
        self.max_age = max_age
        self._due: dict[int, float] = {}

    def path(self, target: int) -> Path:
        """The file of a target."""
        return self._folder / f"{self._name}.{target}.npz"

    def note(self, target: int, images: FramePair, result: TrackResult) -> None:
        """Remember a target if it is seen for certain. Raises OSError where that cannot be written."""
        now = time.monotonic()
        if result.state is not TrackState.TRACKING or now < self._due.get(target, -math.inf):
            return
        drawn_in, box = (THERMAL, result.thermal_box) if images.rgb is None else (RGB, result.box)
        if not np.isfinite(box).all():
            return
        self._due[target] = now + PERIOD
        shown = {RGB: images.rgb, THERMAL: images.thermal}
        arrays: dict[str, Any] = {name: image.data for name, image in shown.items() if image}
        arrays["encodings"] = [image.encoding if image else "" for image in shown.values()]
        with replacing(self.path(target)) as temporary:
            np.savez(temporary, target=target, box=box, drawn_in=drawn_in, seen=time.time(), **arrays)

    def keep(self, targets: Collection[int]) -> None:
        """Forget every other target."""
        self._due = {target: due for target, due in self._due.items() if target in targets}
        for target in self.targets():
            if target not in targets:
                self.path(target).unlink(missing_ok=True)

    def targets(self) -> list[int]:
        """The numbers of those that are remembered."""
        pattern = re.compile(re.escape(self._name) + r"\.(\d+)\.npz")
        names = os.listdir(self._folder) if self._folder.is_dir() else []
        return sorted(int(match[1]) for match in map(pattern.fullmatch, names) if match)

    def restore(self, group: TargetGroup, most: int) -> str:
        """Have the targets followed that were seen not too long ago, the newest `most` of them.

        Returns, for a person, what became of them.
        """
        said = []
        for target in self.targets()[-most:]:
            seen = self.recall(target)
            if seen is None:
                continue
            if not 0 <= seen.age <= self.max_age:
                said.append(f"target {target} was seen {seen.age:.0f} s ago (init.max_age is {self.max_age:g} s)")
                continue
            try:
                group.init(target, seen.images, seen.box, drawn_in=seen.drawn_in, most=most, boxes={})
            except ValueError as error:
                said.append(f"target {target} is not taken up again: {error}")
            else:
                said.append(f"target {target} is taken up again where it was seen {seen.age:.1f} s ago")
        return "; ".join(said if group.targets else [IDLE, *said])

    def recall(self, target: int) -> SeenTarget | None:
        """A target that was remembered, whatever its age; None where there is none that can be read."""
        try:
            with np.load(self.path(target)) as file:
                rgb, thermal = (
                    Image(file[name], str(encoding)) if encoding else None
                    for name, encoding in zip((RGB, THERMAL), file["encodings"], strict=True)
                )
                images = FramePair(rgb, thermal, 0 if rgb else None, 0 if thermal else None)
                age = time.time() - float(file["seen"])
                return SeenTarget(images, file["box"], str(file["drawn_in"]), age)
        except Exception:  # a damaged archive raises more than zipfile and NumPy have kinds of their own for
            return None
