"""Whether a JPEG is whole: decoders fill what is missing with grey and report success.

Two things give a cut one away. Its markers: it ends without an end marker, or without the scans and restart intervals
that its headers promise. And, where an end marker was put behind half an image, its pixels: libjpeg takes every block
behind the end of the data for exactly mid-grey. An image whose last block is just that is looked at again: other bytes
behind its data change what is decoded if blocks are missing, and nothing if the image is whole.

Two cuts behind which an end marker was put are not found, since nothing of the picture is missing: within the very last
block (16 x 16 pixels at most), and within the last scan of a progressive image, which only refines it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import cv2
import numpy as np

from ckd_ros.frames import Pixels

#: What every JPEG begins with.
SIGNATURE = b"\xff\xd8"
#: A marker; not a stuffed or fill byte, and not a restart marker, which stands within a scan.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_START, _END, _SCAN, _RESTART_INTERVAL, _TEMPORARY = 0xD8, 0xD9, 0xDA, 0xDD, 0x01
#: Headers of a frame, and those of them that are progressive.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
#: Encoders write about ten; each is a pass over the whole image.
_MOST_SCANS = 100
_MID_GREY = 128
#: What no encoder writes behind its last block. There is no marker in it, nor does it make one of a byte before it.
_OTHER_DATA = bytes(range(255))


class JpegError(ValueError):
    """Data that is not a whole JPEG; the message says what is missing."""


def is_whole_jpeg(data: bytes) -> bool:
    """Whether a JPEG has all its data; what stands behind its end (padding, a second image) does not matter.

    False too for what is not a JPEG or cannot be decoded. It decodes at an eighth of the size, which takes about half
    the time of decoding; `check_markers` and `check_pixels` do the same for an image that is decoded anyway.

    >>> whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[1].tobytes()
    >>> is_whole_jpeg(whole + bytes(1000)), is_whole_jpeg(whole[: len(whole) // 2] + whole[-2:])
    (True, False)
    """
    try:
        check_markers(data)
        check_pixels(data, _decode_reduced(data))
    except JpegError:
        return False
    return True


def check_markers(data: bytes) -> tuple[int, int]:
    """(width, height) of a JPEG; nothing is decoded.

    Raises JpegError where its markers show that something is missing, or that it is made to keep a decoder busy.
    """
    markers = _Markers.read(data)
    markers.check()
    height, width = markers.size()
    return width, height


def check_pixels(data: bytes, decoded: Pixels) -> None:
    """Raise JpegError where a decoded JPEG ends in what its decoder filled in.

    Args:
        data: a JPEG that `check_markers` finds whole.
        decoded: `H x W` or `H x W x C` uint8, not turned by EXIF data; at full size, or reduced by the decoder.
    """
    if (decoded[-1, -1] != _MID_GREY).any():
        return
    markers = _Markers.read(data)
    height, width = decoded.shape[:2]
    full = (height, width) == markers.size()
    last = decoded[-(height % 8 or 8) :, -(width % 8 or 8) :] if full else decoded[-1:, -1:]
    if (last != _MID_GREY).any():
        return
    other = data[: markers.scan_end] + _OTHER_DATA + data[markers.scan_end :]
    if not np.array_equal(_decode_reduced(data), _decode_reduced(other)):
        raise JpegError("the data is cut: it has an end marker, but its last rows are missing")


@dataclass
class _Markers:
    """What the markers of a JPEG say. `scan_end` is where the data of the last scan ends, `restarts` how many restart
    markers there are in all, `interval` the blocks between two of them (0: none are used)."""

    frame: bytes = b""
    progressive: bool = False
    scans: list[bytes] = field(default_factory=list)
    interval: int = 0
    restarts: int = 0
    scan_end: int = 0

    @classmethod
    def read(cls, data: bytes) -> _Markers:
        """Raises JpegError for data without start or end marker."""
        found, position = cls(), len(SIGNATURE)
        if not data.startswith(SIGNATURE):
            raise JpegError("the data is not that of a JPEG")
        while marker := _MARKER.search(data, position):
            kind, position = marker[1][0], marker.end()
            if kind == _END:
                return found
            if kind == _START:
                raise JpegError(f"the data is cut: another image begins after {marker.start()} bytes")
            if kind == _TEMPORARY:
                continue
            end = position + max(2, int.from_bytes(data[position : position + 2], "big"))
            segment, position = data[position + 2 : end], end
            if kind in _FRAMES:
                if found.frame:
                    raise JpegError("it has two frame headers, of which a decoder may go by either")
                found.frame, found.progressive = segment, kind in _PROGRESSIVE
            elif kind == _RESTART_INTERVAL:
                found.interval = int.from_bytes(segment, "big")
            elif kind == _SCAN and (after := _MARKER.search(data, position)):
                found.scans.append(segment)
                found.scan_end = after.start()
                if found.interval:
                    found.restarts += len(_RESTART.findall(data, position, found.scan_end))
        raise JpegError(f"the data ends after {len(data)} bytes without its end marker")

    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return int.from_bytes(self.frame[1:3], "big"), int.from_bytes(self.frame[3:5], "big")

    def check(self) -> None:
        """Raise JpegError if scans or restart intervals are missing."""
        components = {self.frame[i]: self.frame[i + 1] for i in range(6, len(self.frame) - 2, 3)}
        # The bits of each coefficient that are still to come, by component; a progressive file sends them bit by bit.
        missing = {name: np.full(64, True) for name in components}
        for scan in self.scans:
            count = scan[0] if scan else 0
            first, last, low = (scan[-3], scan[-2], scan[-1] & 15) if self.progressive else (0, 63, 0)
            for name in set(scan[1 : 1 + 2 * count : 2]) & set(missing):
                missing[name][first : last + 1] &= low > 0
        if not self.scans or not missing:
            raise JpegError("the data cannot be decoded as an image: it has no frame header or no scan")
        if len(self.scans) > _MOST_SCANS:
            raise JpegError(
                f"it has {len(self.scans)} scans, each a pass over the image: at most {_MOST_SCANS} are taken"
            )
        if any(bits.any() for bits in missing.values()):
            raise JpegError(f"the data is cut: its {len(self.scans)} scan(s) do not make a whole image")
        if self.interval and len(self.scans) == 1:
            height, width = self.size()
            across, down = (8, 8) if len(components) == 1 else self._block(components)
            expected = (-(-width // across) * -(-height // down) - 1) // self.interval
            if self.restarts < expected:
                raise JpegError(f"the data is cut: it has {self.restarts} of {expected} restart markers")

    @staticmethod
    def _block(components: dict[int, int]) -> tuple[int, int]:
        """Width and height in pixels of what is coded at a time."""
        return 8 * max(s >> 4 for s in components.values()), 8 * max(s & 15 for s in components.values())


def _decode_reduced(data: bytes) -> Pixels:
    """A JPEG as grey at an eighth of its size. Raises JpegError if it cannot be decoded."""
    decoded = None
    try:
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        pass
    if decoded is None:
        raise JpegError(f"{len(data)} bytes of JPEG cannot be decoded")
    return decoded
