"""The overlay for a person: the colour image beside the registered thermal image, with box, state and confidence."""

from __future__ import annotations

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
#: Height of the caption under the images, pixels.
_CAPTION = 28


def panel_size(pair: FramePair, width: int) -> Size:
    """(width, height) of each image of an overlay that is to be at most `width` wide: the colour image's shape, or the
    thermal image's where there is no other."""
    image = pair.reference
    scale = min(1.0, width / image.width)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def draw_overlay(
    pair: FramePair,
    result: TrackResult | None,
    registration: Registration,
    size: Size,
    truth: FloatArray | None = None,
    note: str = "",
    thermal_truth: FloatArray | None = None,
) -> Pixels:
    """Both images side by side, `(h + caption) x 2w` bgr8.

    Args:
        pair: the images; a missing one leaves its place dark.
        result: of the tracker on this pair; None while there is no target.
        registration: brings the thermal image into the view of the colour image.
        size: (w, h) of each image, see `panel_size`.
        truth: `(4,)` the true box in RGB pixels, NaN where the target is not visible.
        note: text at the right end of the caption.
        thermal_truth: `(4,)` the true box in thermal pixels, shown where there is no colour image.
    """
    w, h = size
    canvas = np.full((h + _CAPTION, 2 * w, 3), _BACKGROUND, np.uint8)
    views = (canvas[:h, :w], canvas[:h, w:])
    if pair.rgb is not None:
        paint_colour(pair.rgb, views[0])
        rgb_to_panel = geometry.scaling(w / pair.rgb.width, h / pair.rgb.height)
    if pair.thermal is not None:
        thermal_to_panel = geometry.scaling(w / pair.thermal.width, h / pair.thermal.height)
        if pair.rgb is not None:
            rgb_to_thermal = registration.matrix(pair.rgb.size, pair.thermal.size)
            thermal_to_panel = rgb_to_panel @ np.linalg.inv(rgb_to_thermal)
        paint_thermal(pair.thermal, thermal_to_panel, views[1])

    colour = STATE_COLOURS[TrackState.IDLE if result is None else result.state]
    for image, view, name in ((pair.rgb, views[0], "colour"), (pair.thermal, views[1], "thermal")):
        if image is None:
            _write(view, f"no {name} image", (8, h // 2), _TEXT)
            continue
        _write(view, name, (8, 20), _TEXT)
        # Beside a colour image the thermal one is shown registered, so that both have the same box.
        to_panel = rgb_to_panel if pair.rgb is not None else thermal_to_panel
        known = truth if pair.rgb is not None else thermal_truth
        if known is not None:
            draw_box(view, known, to_panel, TRUTH_COLOUR, 1)
        if result is not None:
            box = result.box if pair.rgb is not None else result.thermal_box
            draw_box(view, box, to_panel, colour, 1 if result.state is TrackState.LOST else 2)
    _caption(canvas[h:], result, colour, note)
    return canvas


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


def draw_box(view: Pixels, box: FloatArray, to_panel: FloatArray, colour: tuple[int, int, int], thickness: int) -> None:
    """Draw a box `(x, y, w, h)` that `to_panel` (3 x 3) brings into `view`; one with NaN is not drawn."""
    if not np.isfinite(box).all():
        return
    limit = 4 * max(view.shape)  # OpenCV wraps coordinates around
    x, y, w, h = geometry.transform_box(to_panel, box)
    corners = np.clip(np.round([x, y, x + w, y + h]), -limit, limit).astype(int)
    cv2.rectangle(view, tuple(corners[:2]), tuple(corners[2:]), colour, thickness, cv2.LINE_AA)


def _caption(view: Pixels, result: TrackResult | None, colour: tuple[int, int, int], note: str) -> None:
    base = view.shape[0] - 9
    if result is None:
        _write(view, TrackState.IDLE.name, (8, base), colour)
    else:
        _write(view, f"{result.state.name}  {result.confidence:.2f}", (8, base), colour)
        left, length = 170, 100
        cv2.rectangle(view, (left, 9), (left + length, base), (70, 70, 70), -1)
        cv2.rectangle(view, (left, 9), (left + round(length * min(1.0, result.confidence)), base), colour, -1)
        used = [name for name, is_used in (("colour", result.used_rgb), ("thermal", result.used_thermal)) if is_used]
        _write(view, f"{' + '.join(used) or 'blind'}  {1e3 * result.total_s:.0f} ms", (left + length + 12, base), _TEXT)
    if note:
        (length, _), _ = cv2.getTextSize(note, _FONT, 0.5, 1)
        _write(view, note, (view.shape[1] - length - 8, base), _TEXT)


def _write(view: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(view, text, at, _FONT, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(view, text, at, _FONT, 0.5, colour, 1, cv2.LINE_AA)
