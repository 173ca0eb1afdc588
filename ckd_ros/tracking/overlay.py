"""The overlay for a person: the colour image beside the registered thermal image, with box, state and confidence.

Where there is one camera only, its image stands alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from ckd_ros import geometry
from ckd_ros.colour import stretch_for_display, to_bgr, to_grey
from ckd_ros.frames import FramePair, Image, Pixels
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.confidence import TrackState
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.tracker import TrackResult

#: Colours (blue, green, red) of the box and the confidence bar.
STATE_COLOURS = {
    TrackState.IDLE: (160, 160, 160),
    TrackState.TRACKING: (90, 220, 90),
    TrackState.UNCERTAIN: (0, 190, 255),
    TrackState.LOST: (70, 70, 245),
}
TRUTH_COLOUR = (255, 255, 255)
_BACKGROUND = (24, 24, 24)
_TEXT = (230, 230, 230)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Height of a line of the caption under the images, and the width from which on it needs one line only, pixels.
_CAPTION, _ONE_LINE = 28, 720
#: Parts of a side of a dashed box, of which every other one is drawn.
_DASHES = 9
#: Where the bar of the confidence begins, and its length, pixels.
_BAR, _BAR_LENGTH = 170, 100


class Panels(NamedTuple):
    """How large each image of an overlay is, in pixels, and whose images there are: both, rgb or thermal."""

    width: int
    height: int
    modality: str = "both"


def panel_size(pair: FramePair, width: int) -> Size:
    """(width, height) of each image of an overlay that is to be at most `width` wide: the colour image's shape, or the
    thermal image's where there is no other."""
    image = pair.reference
    scale = min(1.0, width / image.width)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def draw_overlay(
    pair: FramePair,
    result: TrackResult | Mapping[int, TrackResult] | None,
    registration: Registration,
    size: Size | Panels,
    truth: FloatArray | None = None,
    note: str = "",
    thermal_truth: FloatArray | None = None,
) -> Pixels:
    """Both images side by side, or that of the only camera, over a caption: bgr8.

    Args:
        pair: the images; a missing one leaves its place dark.
        result: of the tracker on this pair, or those of several targets by their numbers, which are written beside the
            boxes where there are several; None, or none, while there is no target.
        registration: brings the thermal image into the view of the colour image.
        size: (w, h) of each image, see `panel_size`, or with it whose images there are.
        truth: `(4,)` the true box in RGB pixels, NaN where the target is not visible.
        note: text at the right end of the caption.
        thermal_truth: `(4,)` the true box in thermal pixels, shown where there is no colour image.
    """
    panels = Panels(*size)
    w, h = panels[:2]
    names = [name for name in ("rgb", "thermal") if panels.modality in ("both", name)]
    lines = 1 if len(names) * w >= _ONE_LINE else 2
    canvas = np.full((h + lines * _CAPTION, len(names) * w, 3), _BACKGROUND, np.uint8)
    results = {0: result} if isinstance(result, TrackResult) else dict(result or {})
    for number, name in enumerate(names):
        image, view = getattr(pair, name), canvas[:h, number * w : (number + 1) * w]
        label = "colour" if name == "rgb" else name
        if image is None:
            _write(view, f"no {label} image", (8, h // 2), _TEXT)
            continue
        # Beside a colour image the thermal one is shown registered: both have the same box, but for a measured shift.
        reference = pair.reference
        to_panel = geometry.scaling(w / reference.width, h / reference.height)
        if name == "rgb":
            paint_colour(image, view)
            boxes = {target: one.box for target, one in results.items()}
        elif pair.rgb is not None:
            thermal_to_rgb: FloatArray = np.asarray(
                np.linalg.inv(registration.matrix(pair.rgb.size, image.size)), float
            )
            paint_thermal(image, to_panel @ thermal_to_rgb, view)
            boxes = {target: _box_in_thermal(one, thermal_to_rgb) for target, one in results.items()}
        else:
            paint_thermal(image, to_panel, view)
            boxes = {target: one.thermal_box for target, one in results.items()}
        _write(view, label, (8, 20), _TEXT)
        known = truth if pair.rgb is not None else thermal_truth
        if known is not None:
            draw_box(view, known, to_panel, TRUTH_COLOUR, 1)
            if np.isfinite(known).all():
                _write(view, "true box", (view.shape[1] - 8, 20), TRUTH_COLOUR, right=True)
        for target, box in boxes.items():
            one = results[target]
            colour, unsure = STATE_COLOURS[one.state], one.state in (TrackState.UNCERTAIN, TrackState.LOST)
            draw_box(view, box, to_panel, colour, 1 if one.state is TrackState.LOST else 2, dashed=unsure)
            if unsure:
                deviation = one.position_stddev * np.sqrt(np.prod(box[2:]) / np.prod(one.box[2:]))
                _draw_region(view, box, deviation, to_panel, colour)
            if len(results) > 1 and np.isfinite(box).all():
                x, y, *_ = geometry.transform_box(to_panel, box)
                _write(view, str(target), (round(x), round(y) - 5), colour)
    if len(results) > 1:
        _caption_of_several(canvas[h:], results, note)
    else:
        _caption(canvas[h:], next(iter(results.values()), None), note)
    return canvas


def _box_in_thermal(result: TrackResult, thermal_to_rgb: FloatArray) -> FloatArray:
    """The box in pixels of the colour image, where the registered thermal image shows it: shifted by what is left."""
    if not any(result.registration_offset):
        return result.box
    shown = geometry.centre(result.thermal_box)
    mapped = np.stack([shown, shown - result.registration_offset])
    moved, place = geometry.transform_points(thermal_to_rgb, mapped)
    box: FloatArray = result.box + np.concatenate([moved - place, np.zeros(2)])
    return box


def paint_colour(image: Image, out: Pixels) -> None:
    """Fill `out`, `h x w x 3` bgr8, with a colour image of any encoding, resized."""
    data = cv2.resize(image.data, (out.shape[1], out.shape[0]), interpolation=cv2.INTER_AREA)
    if image.encoding == "mono16":
        data = stretch_for_display(data)
    out[:] = to_bgr(data, image.encoding)


def paint_thermal(image: Image, to_panel: FloatArray, out: Pixels) -> None:
    """Fill `out`, `h x w x 3` bgr8, with a thermal image of any encoding, stretched to 8 bits.

    `to_panel` is the 3 x 3 transform of thermal pixels to those of `out`.
    """
    grey = stretch_for_display(to_grey(image.data, image.encoding))
    matrix = geometry.index_matrix(to_panel)
    warped = cv2.warpPerspective(grey, matrix, (out.shape[1], out.shape[0]), flags=cv2.INTER_LINEAR)
    out[:] = to_bgr(warped, "mono8")


def draw_box(
    view: Pixels,
    box: FloatArray,
    to_panel: FloatArray,
    colour: tuple[int, int, int],
    thickness: int,
    dashed: bool = False,
) -> None:
    """Draw a box `(x, y, w, h)` that `to_panel` (3 x 3) brings into `view`; one with NaN is not drawn."""
    if not np.isfinite(box).all():
        return
    limit = 4 * max(view.shape)  # OpenCV wraps coordinates around
    x, y, w, h = geometry.transform_box(to_panel, box)
    corners = np.clip(np.round([x, y, x + w, y + h]), -limit, limit).astype(int)
    if not dashed:
        cv2.rectangle(view, tuple(corners[:2]), tuple(corners[2:]), colour, thickness, cv2.LINE_AA)
        return
    left, top, right, bottom = corners
    ends = np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]])
    for start, end in zip(ends, ends[1:], strict=False):
        marks = np.round(start + np.linspace(0, 1, _DASHES + 1)[:, None] * (end - start)).astype(int)
        for dash in range(0, _DASHES, 2):
            cv2.line(view, tuple(marks[dash]), tuple(marks[dash + 1]), colour, thickness, cv2.LINE_AA)


def _draw_region(
    view: Pixels, box: FloatArray, deviation: float, to_panel: FloatArray, colour: tuple[int, int, int]
) -> None:
    """Draw where the centre of a box is to be expected: within two of its standard deviations (pixels)."""
    if not np.isfinite(box).all() or not deviation > 0:
        return
    reach = 2 * deviation
    region = np.concatenate([geometry.centre(box) - reach, [2 * reach, 2 * reach]])
    x, y, w, h = geometry.transform_box(to_panel, region)
    if max(w, h) < 4 * max(view.shape):  # what surrounds the whole picture would not be seen, and OpenCV wraps around
        centre = round(x + w / 2), round(y + h / 2)
        cv2.ellipse(view, centre, (round(w / 2), round(h / 2)), 0, 0, 360, colour, 1, cv2.LINE_AA)


def _caption_of_several(view: Pixels, results: Mapping[int, TrackResult], note: str) -> None:
    """How many targets are in which state."""
    counts = Counter(result.state for result in results.values())
    at = 8
    for state in sorted(counts):
        said = f"{counts[state]} {state.name}"
        _write(view, said, (at, _CAPTION - 9), STATE_COLOURS[state])
        at += cv2.getTextSize(said, _FONT, 0.5, 1)[0][0] + 16
    _write(view, note, (view.shape[1] - 8, view.shape[0] - 9), _TEXT, right=True)


def _caption(view: Pixels, result: TrackResult | None, note: str) -> None:
    """What the tracker believes, in one line or, where that is too narrow, in two."""
    colour = STATE_COLOURS[TrackState.IDLE if result is None else result.state]
    width, base, last, end = view.shape[1], _CAPTION - 9, view.shape[0] - 9, 0
    if result is None:
        _write(view, TrackState.IDLE.name, (8, base), colour)
    else:
        _write(view, f"{result.state.name}  {result.confidence:.2f}", (8, base), colour)
        length = min(_BAR_LENGTH, width - _BAR - 8)
        if length > 0:
            filled = _BAR + round(length * min(1.0, result.confidence))
            cv2.rectangle(view, (_BAR, 9), (_BAR + length, base), (70, 70, 70), -1)
            cv2.rectangle(view, (_BAR, 9), (filled, base), colour, -1)
        used = [name for name, is_used in (("colour", result.used_rgb), ("thermal", result.used_thermal)) if is_used]
        latency = f"  latency {1e3 * result.total_s:.0f} ms" if np.isfinite(result.total_s) else ""
        start = _BAR + _BAR_LENGTH + 12 if last == base else 8
        said = f"{' + '.join(used) or 'blind'}{latency}"
        _write(view, said, (start, last), _TEXT)
        end = start + cv2.getTextSize(said, _FONT, 0.5, 1)[0][0]
    if note and end + 16 + cv2.getTextSize(note, _FONT, 0.5, 1)[0][0] < width:
        _write(view, note, (width - 8, last), _TEXT, right=True)


def _write(view: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int], right: bool = False) -> None:
    """Text in a dark rim, its left end, or its right one, at a place on its base line.

    The rim is made of the letters: OpenCV 5 sets bolder ones further apart, so that they would not lie beneath.
    """
    (length, height), below = cv2.getTextSize(text, _FONT, 0.5, 1)
    letters = np.zeros((height + below + 8, length + 16), np.uint8)
    cv2.putText(letters, text, (4, height + 4), _FONT, 0.5, 255, 1, cv2.LINE_AA)
    rim = cv2.dilate(letters, np.ones((3, 3), np.uint8))
    left, top = at[0] - 4 - (length if right else 0), at[1] - height - 4
    x1, y1 = max(0, left), max(0, top)
    part = view[y1 : top + letters.shape[0], x1 : left + letters.shape[1]]
    inside = np.s_[y1 - top :, x1 - left :]
    dark, bright = (mask[inside][: part.shape[0], : part.shape[1], None] / 255 for mask in (rim, letters))
    part[...] = part * (1 - dark) * (1 - bright) + np.array(colour) * bright
