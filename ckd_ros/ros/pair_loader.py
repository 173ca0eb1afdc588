"""From the frames of a pair, as they came from the cameras, to the images that the tracker takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from ckd_ros.frames import FramePair, Image
from ckd_ros.ros.faults import FaultMonitor
from ckd_ros.ros.health import StreamHealth
from ckd_ros.ros.sync.clock_offset import OffsetEstimator
from ckd_ros.ros.sync.streams import RGB, THERMAL, CameraFrame, CameraPair
from ckd_ros.tracking.thermal_content import cropped

#: An offset between the stamps of the cameras that is worth a warning, seconds: about an image.
TOLERABLE = 0.03


class PairLoader:
    """Decodes images, each once, and watches what they show.

    Args:
        faults: told of images that cannot be used, and of what is wrong with those that can.
        correct: told the offset to take off the thermal stamps, seconds; returns at once.

    Attributes:
        thermal_crop: rows that are taken off the thermal images above and below.
        offset: what is known of the offset between the stamps of the cameras, for a person.
    """

    def __init__(self, faults: FaultMonitor, correct: Callable[[float], object]) -> None:
        self.thermal_crop = (0, 0)
        self.offset = ""
        self._faults, self._correct = faults, correct
        self._estimator = OffsetEstimator()
        self._health = {name: StreamHealth(name) for name in (RGB, THERMAL)}
        self._newest: dict[str, tuple[CameraFrame, Image]] = {}

    @property
    def formats(self) -> dict[str, tuple[int, int, str]]:
        """Width, height and encoding of the newest image of each stream that sent one."""
        return {name: health.format for name, health in self._health.items() if health.format is not None}

    def load(self, pair: CameraPair) -> tuple[FramePair | None, dict[str, str]]:
        """The images of a pair, without those that are broken (None if all are), and why an image is missing."""
        images: dict[str, Image] = {}
        reasons = {name: f"no {name} image arrived with it" for name in (RGB, THERMAL)}
        for frame in pair.frames:
            try:
                images[frame.stream] = self._image(frame)
            except ValueError as error:
                reasons[frame.stream] = str(error)
                self._faults.report(f"{frame.stream} image", f"{frame.stream} image cannot be used: {error}")
        if not images:
            return None, reasons
        stamps = {frame.stream: frame.stamp for frame in pair.frames if frame.stream in images}
        return (
            FramePair(images.get(RGB), images.get(THERMAL), stamps.get(RGB), stamps.get(THERMAL), pair.timing),
            reasons,
        )

    def _image(self, frame: CameraFrame) -> Image:
        """The image of a frame, the very same one where a frame is used again. Raises ValueError when it is broken."""
        known, image = self._newest.get(frame.stream, (None, None))
        if known is frame and image is not None:
            return image
        crop = self.thermal_crop if frame.stream == THERMAL else (0, 0)
        image = cropped(frame.load(), crop)
        self._newest[frame.stream] = frame, image
        problems = self._health[frame.stream].inspect(image, frame.stamp, time.monotonic(), crop)
        for key, message in problems.items():
            self._faults.report(key, message)
        if frame.stamped and self._estimator.see(frame, image):
            self._judge_offset(frame.offset / 1e9)
        return image

    def _judge_offset(self, known: float) -> None:
        """Say what a new estimate means, beside the offset that is taken off already, seconds."""
        estimate = self._estimator.newest
        if estimate is None:
            self.offset = f"none, as {self._estimator.why_none}"
            return
        self.offset = f"{estimate}; {1e3 * known:+.0f} ms are taken off"
        self._correct(estimate.offset)
        if abs(estimate.offset - known) <= max(TOLERABLE, 3 * estimate.uncertainty):
            return
        self._faults.report(
            "stamp offset",
            f"by the motion in the images thermal stamps are {estimate} ahead of the colour stamps of one moment, and "
            f"{1e3 * known:+.0f} ms are taken off: images of different moments are paired. Have the drivers stamp "
            f"acquisition, set sync.thermal_offset to {estimate.offset:.3f}, or sync.estimate_offset to true",
        )
