"""Whether what the cameras deliver is what it should be: the images of each stream, their pairing and registration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ckd_ros.frames import FramePair, Image
from ckd_ros.ros.sync.pairing import PairingSnapshot
from ckd_ros.ros.sync.streams import RGB, THERMAL, Counters
from ckd_ros.tracking import Registration
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.repeats import RepeatDetector
from ckd_ros.tracking.thermal_content import thermal_faults

#: Pixels of an image are examined no more often than this, seconds.
PERIOD = 0.5
#: An image is in colour if its strongest and weakest channel differ by more than this on average, of 255.
COLOUR_FROM = 12.0


class StreamHealth:
    """Watches the decoded images of one stream (RGB or THERMAL).

    Attributes:
        format: width, height and encoding of the newest image; None before the first.
    """

    def __init__(self, stream: str) -> None:
        self.format: tuple[int, int, str] | None = None
        self._stream = stream
        self._pixel_problems: dict[str, str] = {}
        self._last_examined = -np.inf
        self._repeats = RepeatDetector()

    def inspect(self, image: Image, stamp: int, now: float, crop: tuple[int, int] = (0, 0)) -> dict[str, str]:
        """What is wrong with an image, key -> message.

        Args:
            stamp: of the image, nanoseconds.
            now: seconds of a monotonic clock.
            crop: rows that were taken off it above and below.
        """
        problems = {}
        if self._repeats.see(image, stamp):
            problems[f"{self._stream} frozen"] = (
                f"the {self._stream} image is identical to the one before it ({self._repeats.in_a_row} in a row): not "
                "used while the other camera's images change; is the camera stuck or in a shutter event, or does its "
                "driver publish each image several times?"
            )
        former, self.format = self.format, (image.width, image.height, image.encoding)
        if former is not None and former[:2] != self.format[:2]:
            problems[f"{self._stream} resolution"] = (
                f"{self._stream} images changed from {former[0]} x {former[1]} to {image.width} x {image.height}: "
                "taken as the same view, scaled"
            )
        if former is not None and former[2] != self.format[2]:
            problems[f"{self._stream} encoding"] = (
                f"{self._stream} images changed from {former[2]} to {image.encoding}: their range is learned anew"
            )
        if self.format != former or now - self._last_examined >= PERIOD:
            self._pixel_problems, self._last_examined = self._examine(image, crop), now
        return {**problems, **self._pixel_problems}

    def _examine(self, image: Image, crop: tuple[int, int]) -> dict[str, str]:
        pixels = image.data[:: max(1, image.height // 48), :: max(1, image.width // 48)]
        if self._stream == RGB and image.encoding == "mono16":
            return {
                "rgb topic": "rgb/image delivers 16-bit grey images, as a thermal camera does: are the topics swapped?"
            }
        content = thermal_faults(image, crop) if self._stream == THERMAL else {}
        if content:
            return {f"{THERMAL} {kind}": message for kind, message in content.items()}
        if self._stream == THERMAL and pixels.ndim == 3 and _colourfulness(pixels) > COLOUR_FROM:
            return {
                "thermal topic": f"thermal/image delivers colour images ({image.encoding}): are the topics swapped, or "
                "does the camera colour its images? Switch it to white-hot grey"
            }
        if pixels.min() == pixels.max():
            return {
                f"{self._stream} content": f"every pixel of the {self._stream} image is {int(pixels.max())}: lens cap?"
            }
        return {}


def _colourfulness(pixels: np.ndarray) -> float:
    channels = pixels[..., :3]
    return float((channels.max(axis=-1).astype(int) - channels.min(axis=-1)).mean())


class RegistrationHealth:
    """Holds the registration against the sizes of both images while no target is followed."""

    def __init__(self) -> None:
        self._geometry: PairGeometry | None = None

    def inspect(self, images: FramePair, registration: Registration) -> Mapping[str, str]:
        """What is wrong with the registration for these images, key -> message."""
        if self._geometry is None or self._geometry.registration is not registration:
            self._geometry = PairGeometry.of(images, registration)
        self._geometry = self._geometry.after(images)
        return self._geometry.check.problems


class PairingHealth:
    """Watches whether two streams make pairs, which no single image shows."""

    def __init__(self) -> None:
        self._before = Counters()

    def inspect(self, pairing: PairingSnapshot) -> dict[str, str]:
        """What is wrong with the pairing since the last call, key -> message."""
        before, self._before = self._before, pairing.counters
        counters = pairing.counters
        arrived = {stream: counters.received[stream] - before.received[stream] for stream in (RGB, THERMAL)}
        alone = {stream: counters.alone[stream] - before.alone[stream] for stream in (RGB, THERMAL)}
        pairless = counters.paired == before.paired and any(alone.values())
        if all(arrived.values()) and pairless and pairing.offset is not None:
            return {
                "pairing": f"no pairs: the newest thermal stamp is {pairing.offset:+.3f} s from the newest colour "
                f"stamp, and sync.slop is {pairing.slop:g} s; are both cameras stamped by the same clock? A constant "
                "difference can be set as sync.thermal_offset. If the images of one come that late, sync.timeout must "
                "be longer"
            }
        return {
            f"{missing} missing": f"no {missing} image came with {alone[other]} of the last {arrived[other]} {other} "
            "images: they are tracked by themselves"
            for missing, other in ((RGB, THERMAL), (THERMAL, RGB))
            if alone[other] and before.received[missing]
        }
