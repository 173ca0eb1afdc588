"""Pictures of the moments in which a tracker fails: colour above thermal, with the truth and the trackers' boxes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.datasets.folder import FolderSequence
from ckd_ros.datasets.sequence import FrameSequence, describe_error
from ckd_ros.frames import FramePair
from ckd_ros.tracking.overlay import TRUTH_COLOUR, draw_box, paint_colour, paint_thermal, panel_size

FRAMES = 6
_HEIGHT = 240  # of each image, pixels: enough to be looked at large
_WIDEST = 480
_GREY = 96
_QUALITY = 72
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Tile:
    """One frame of a strip.

    Attributes:
        frame: its number.
        jpeg: the picture.
        size: (width, height) of it in pixels.
        files: the colour and the thermal image file; None where the sequence is not a folder of images.
        fault: why the images cannot be shown; empty if they are.
    """

    frame: int
    jpeg: bytes
    size: tuple[int, int]
    files: tuple[Path | None, Path | None] = (None, None)
    fault: str = ""


def strip_frames(overlap: np.ndarray, count: int = FRAMES) -> list[int]:
    """At most `count` frames that tell what happened: the first, then of each equal part of the rest the first frame in
    which the overlap `(N,)` is lowest (where it is not known: the middle one)."""
    frames = [0]
    for part in np.array_split(np.arange(1, len(overlap)), count - 1):
        if len(part):
            known = overlap[part]
            frames.append(int(part[np.nanargmin(known)] if np.isfinite(known).any() else part[len(part) // 2]))
    return frames


def draw_strip(
    sequence: FrameSequence, frames: list[int], boxes: list[tuple[tuple[int, int, int], np.ndarray]]
) -> list[Tile]:
    """A tile for each of `frames` (ascending) that the sequence has.

    Args:
        boxes: colour (blue, green, red) and `(N, 4)` boxes of each tracker, in the pixels in which trackers answer; the
            first is drawn on top.

    A frame that cannot be read gives a grey tile that says why. Nothing is raised for bad images.
    """
    frames = [frame for frame in frames if frame < len(sequence)]
    pairs = list(_pairs(sequence, frames))
    good = next((pair for pair in pairs if isinstance(pair, FramePair)), None)
    size = (320, _HEIGHT) if good is None else _panel(good)
    tiles = []
    for frame, pair in zip(frames, pairs, strict=True):
        panels = 2 if sequence.modality == "both" else 1
        if isinstance(pair, FramePair):
            here = [(colour, track[frame]) for colour, track in boxes if frame < len(track)]
            canvas, fault = _drawn(sequence, frame, pair, here, (size[0], panels * size[1])), ""
        else:
            canvas, fault = _grey((size[0], panels * size[1]), pair), pair
        _, jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        tiles.append(
            Tile(frame, jpeg.tobytes(), (canvas.shape[1], canvas.shape[0]), image_files(sequence, frame), fault)
        )
    return tiles


def image_files(sequence: FrameSequence, frame: int) -> tuple[Path | None, Path | None]:
    """The colour and the thermal image file of a frame; None where the sequence is not a folder of images."""
    return sequence.files(frame) if isinstance(sequence, FolderSequence) else (None, None)


def _panel(pair: FramePair) -> tuple[int, int]:
    image = pair.reference
    return panel_size(pair, min(_WIDEST, round(_HEIGHT * image.width / image.height)))


def _pairs(sequence: FrameSequence, frames: list[int]) -> Iterator[FramePair | str]:
    """The pair of each frame, or why there is none."""
    if type(sequence).pair is not FrameSequence.pair:
        for frame in frames:
            try:
                yield sequence.pair(frame)
            except (ValueError, OSError) as error:
                yield describe_error(error)
        return
    # To jump, such a source would produce all frames before: go through it once.
    source: Iterator[FramePair] | None = None
    position, fault = 0, ""
    for frame in frames:
        try:
            if not fault:
                source = sequence.frames() if source is None else source
                yield next(islice(source, frame - position, None))
                position = frame + 1
                continue
        except StopIteration:
            fault = f"the source ends before frame {frame}"
        except (ValueError, OSError) as error:
            fault = describe_error(error)
        yield fault


def _drawn(
    sequence: FrameSequence,
    frame: int,
    pair: FramePair,
    boxes: list[tuple[tuple[int, int, int], np.ndarray]],
    size: tuple[int, int],
) -> np.ndarray:
    """The images of a frame above one another on a canvas of `size` (width, height), with truth and boxes."""
    canvas = _canvas(size)
    w, h = size[0], size[1] // (2 if sequence.modality == "both" else 1)
    truths = sequence.truth(frame)
    main = pair.reference  # trackers answer in its pixels
    answers = geometry.scaling(w / main.width, h / main.height)
    for side, image in enumerate((pair.rgb, pair.thermal)):
        if sequence.modality not in ("both", ("rgb", "thermal")[side]):
            continue
        view = canvas[-h:] if side else canvas[:h]
        if image is None:
            _text(view, f"no {('colour', 'thermal')[side]} image")
            continue
        to_panel = geometry.scaling(w / image.width, h / image.height)
        if side:
            paint_thermal(image, to_panel, view)
        else:
            paint_colour(image, view)
        truth = truths[side]
        if truth is None and truths[0] is not None:  # one truth for both
            truth, to_panel = truths[0], answers
        if truth is not None:
            draw_box(view, truth, to_panel, (0, 0, 0), 3)
        for colour, box in reversed(boxes):
            draw_box(view, box, answers, colour, 2)
        if truth is not None:  # again: a good box covers it
            draw_box(view, truth, to_panel, TRUTH_COLOUR, 1)
    return canvas


def _grey(size: tuple[int, int], reason: str) -> np.ndarray:
    canvas = _canvas(size)
    _text(canvas, reason)
    return canvas


def _canvas(size: tuple[int, int]) -> np.ndarray:
    return np.full((size[1], size[0], 3), _GREY, np.uint8)


def _text(view: np.ndarray, text: str) -> None:
    lines = textwrap.wrap(text, max(8, view.shape[1] // 8))[: view.shape[0] // 16 - 1]
    for number, line in enumerate(lines):
        cv2.putText(view, line, (6, 18 + 16 * number), _FONT, 0.4, (235, 235, 235), 1, cv2.LINE_AA)
