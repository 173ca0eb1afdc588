"""Images that show nothing new: a camera in a shutter event, or a driver that is stuck, repeats its last one.

Two images of a real camera are never the same to the last bit, since noise is not. An image that is identical to the
one before it is therefore no evidence of where the target is *now*, however well it fits: followed, it holds the box
where the target was. It is left out of its pair while the other camera's image shows that time goes on.

Where no image of a pair is new, the whole scene is repeated (a recording with doubled frames, a simulator without
noise in which nothing moves): nothing is left out, and the box stays where it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ckd_ros.frames import FramePair, Image, Pixels

#: Rows and columns of the sample that is compared first.
_SAMPLE = 16


class RepeatDetector:
    """Whether the images of one camera are identical to the ones before them.

    Attributes:
        in_a_row: how many of the newest images repeat the one before them; 0 while they change.
    """

    def __init__(self) -> None:
        self.in_a_row = 0
        self._last: Image | None = None
        self._stamp: int | None = None

    def see(self, image: Image, stamp: int | None) -> bool:
        """Take the next image. Returns whether it repeats the one before.

        The same image given twice, which its stamp shows (nanoseconds; 0 or None: not known), is no repetition; nor can
        one be told in a buffer that is used again.
        """
        last, same_image = self._last, bool(stamp) and stamp == self._stamp
        self._last, self._stamp = image, stamp
        if not same_image:
            self.in_a_row = self.in_a_row + 1 if last is not None and _identical(last, image) else 0
        return self.in_a_row > 0


class NewImages:
    """What is new in each pair of a stream of pairs.

    Attributes:
        left_out: how many images of each camera were left out so far.
        scenes_repeated: how many pairs showed nothing new at all.
    """

    def __init__(self) -> None:
        self.left_out = {"rgb": 0, "thermal": 0}
        self.scenes_repeated = 0
        self._detectors = {"rgb": RepeatDetector(), "thermal": RepeatDetector()}

    def of(self, pair: FramePair) -> FramePair:
        """The pair without an image that repeats the one before it, if its other image is new."""
        shown = (("rgb", pair.rgb, pair.stamp), ("thermal", pair.thermal, pair.thermal_stamp))
        repeated = {name: self._detectors[name].see(image, stamp) for name, image, stamp in shown if image is not None}
        if all(repeated.values()):
            self.scenes_repeated += 1
        elif any(repeated.values()):
            name = "rgb" if repeated["rgb"] else "thermal"
            self.left_out[name] += 1
            if name == "rgb":
                return replace(pair, rgb=None, stamp=None)
            return replace(pair, thermal=None, thermal_stamp=None)
        return pair

    def describe(self) -> list[str]:
        """What was repeated so far, a sentence for each kind."""
        lines = [
            f"{count} {name} image(s) are identical to the one before and were left out: a stuck camera, a shutter "
            "event, or each image stored several times"
            for name, count in self.left_out.items()
            if count
        ]
        if self.scenes_repeated:
            lines.append(f"{self.scenes_repeated} pair(s) repeat the one before to the last bit: the scene stood still")
        return lines


def _identical(one: Image, other: Image) -> bool:
    if (one.encoding, one.data.shape) != (other.encoding, other.data.shape):
        return False
    if np.may_share_memory(one.data, other.data):
        return False
    return np.array_equal(_sample(one.data), _sample(other.data)) and np.array_equal(one.data, other.data)


def _sample(pixels: Pixels) -> Pixels:
    return pixels[:: max(1, pixels.shape[0] // _SAMPLE), :: max(1, pixels.shape[1] // _SAMPLE)]
