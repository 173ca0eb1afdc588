"""A small recorded sequence that the tests of this folder write in every form and read back."""

import struct

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair, Image

COUNT, RATE, PERIOD = 6, 20.0, 50_000_000
RGB_SIZE, THERMAL_SIZE = (96, 64), (48, 32)


def colour(i):
    """A smooth blue image with a red square that moves with the frame number (rgb8)."""
    image = np.zeros((RGB_SIZE[1], RGB_SIZE[0], 3), np.uint8)
    image[..., 2] = 80
    image[16:40, 8 * i : 8 * i + 24] = (220, 40, 40)
    return image


def warm(i, dtype=np.uint8):
    image = np.full((THERMAL_SIZE[1], THERMAL_SIZE[0]), 60, dtype)
    image[8:20, 4 * i : 4 * i + 12] = 200 if dtype == np.uint8 else 30000
    return image


def turned(content, orientation):
    """A JPEG whose EXIF data say how the camera was held."""
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]


class Recorded(FrameSequence):
    """Frames as above; thermal images 10 ms late; `lost` names (side, frame) whose image is missing."""

    name, rate = "recorded", RATE

    def __init__(self, lost=(), dtype=np.uint8):
        self._lost, self._encoding, self._dtype = set(lost), "mono8" if dtype == np.uint8 else "mono16", dtype
        self.boxes = np.array([[8.0 * i, 16, 24, 24] for i in range(COUNT)])
        self.boxes[2] = np.nan
        self.thermal_boxes = self.boxes / 2
        self.init_box = self.boxes[0]

    def __len__(self):
        return COUNT

    def frames(self):
        for i in range(COUNT):
            stamp = 10**18 + i * PERIOD
            rgb = None if ("rgb", i) in self._lost else Image(colour(i), "rgb8")
            thermal = None if ("thermal", i) in self._lost else Image(warm(i, self._dtype), self._encoding)
            yield FramePair(rgb, thermal, stamp if rgb else None, stamp + 10_000_000 if thermal else None)
