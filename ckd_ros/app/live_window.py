"""A live window on a run: the overlay of every frame, keys that pause and end it, and boxes drawn with the mouse."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ckd_ros.app.screen import IDLE_MS, Screen
from ckd_ros.frames import FramePair
from ckd_ros.geometry import Size
from ckd_ros.tracking import Registration, TrackResult
from ckd_ros.tracking.overlay import draw_overlay
from ckd_ros.tracking.target import MIN_SIDE

#: The overlay's images are scaled to fit into this, pixels each.
PANEL = (640, 640)
_KEYS = "space: pause, r: draw a new box, q: end"
_DRAWING = "drag a box, Enter: take it, Esc: cancel"
#: (x, y) in pixels of one image's half of the window.
Point = tuple[int, int]


@dataclass(frozen=True)
class DrawnBox:
    """`box` `(x, y, w, h)` in pixels of the image that it was `drawn_in`: rgb or thermal."""

    box: np.ndarray
    drawn_in: str = "rgb"


class LiveWindow:
    """Shows frames at `rate` per second, or as fast as they come where that is slower, while its context lasts.

    The thermal image is shown registered, in the view of the colour image, so that a box drawn on either half beside a
    colour image is one in colour pixels. Only where there is no colour image is it in thermal pixels.

    Attributes:
        ended: whether the person has ended the run, by key or by closing the window.

    Entering raises ModuleNotFoundError without `pygame`, and ValueError where there is no display.
    """

    def __init__(self, title: str, rate: float, registration: Registration) -> None:
        self.ended = False
        self._title, self._period, self._registration = title, 1.0 / rate, registration
        self._panel: Size = (0, 0)  # of each image, once the window is open
        self._screen = Screen()
        self._paused = False
        self._returned = time.monotonic()  # when the caller last got control back

    def __enter__(self) -> LiveWindow:
        self._screen.__enter__()
        self._pygame = self._screen.pygame
        return self

    def __exit__(self, *error: object) -> None:
        self._screen.__exit__(*error)

    def show(
        self,
        pair: FramePair,
        result: TrackResult | None,
        truth: np.ndarray | None = None,
        note: str = "",
        thermal_truth: np.ndarray | None = None,
    ) -> DrawnBox | None:
        """Show one frame (see `draw_overlay`) until the next is due, or as long as the person pauses.

        Returns the new box that was drawn on it, or None. Look at `ended` after each call.
        """
        pygame = self._pygame
        self._open(pair)
        picture = draw_overlay(pair, result, self._registration, self._panel, truth, note, thermal_truth)
        self._screen.show(picture, self._caption())
        # What the caller needs for a frame is part of its time on the screen.
        due = time.monotonic() + max(0.0, self._period - (time.monotonic() - self._returned))
        drawn = None
        while not self.ended and drawn is None:
            remaining = due - time.monotonic()
            event = pygame.event.wait(IDLE_MS if self._paused else max(1, min(IDLE_MS, round(1e3 * remaining))))
            if event.type == pygame.NOEVENT and remaining <= 0 and not self._paused:
                break
            if self._screen.asks_to_end(event):
                self.ended = True
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_SPACE:
                self._paused = not self._paused
                self._screen.show(picture, self._caption())
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_r:
                drawn = self.ask_box(pair, note)
                self._screen.show(picture, self._caption())
        self._returned = time.monotonic()
        return drawn

    def ask_box(self, pair: FramePair, note: str = "") -> DrawnBox | None:
        """Let the person drag a box on a frame. Returns None if that was cancelled or the window closed."""
        pygame = self._pygame
        self._open(pair)
        picture = draw_overlay(pair, None, self._registration, self._panel, None, f"{note}  {_DRAWING}")
        corners: tuple[Point, Point] | None = None  # where the drag began and where it is
        half: int | None = None  # the image in which the button is held down
        while True:
            self._screen.show(picture, _DRAWING, [] if corners is None else self._outlines(pair, *corners))
            event = pygame.event.wait(IDLE_MS)
            if event.type == pygame.QUIT:
                self.ended = True
                return None
            if event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE:
                return None
            if (
                event.type == pygame.KEYDOWN
                and event.key in (pygame.K_RETURN, pygame.K_KP_ENTER)
                and corners is not None
            ):
                box = self._box(pair, *corners)
                if box is not None:
                    return box
            if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
                half = self._half(pair, event.pos)
                corners = None if half is None else (self._clipped(event.pos, half),) * 2
            elif event.type == pygame.MOUSEMOTION and half is not None and corners is not None:
                corners = corners[0], self._clipped(event.pos, half)
            elif event.type == pygame.MOUSEBUTTONUP and event.button == 1 and half is not None and corners is not None:
                corners, half = (corners[0], self._clipped(event.pos, half)), None

    def _open(self, pair: FramePair) -> None:
        """Open the window itself, in the shape of the first frame that is shown."""
        if self._panel != (0, 0):
            return
        image = pair.reference
        scale = min(PANEL[0] / image.width, PANEL[1] / image.height)
        self._panel = max(1, round(scale * image.width)), max(1, round(scale * image.height))
        height = draw_overlay(pair, None, self._registration, self._panel).shape[0]
        self._screen.open((2 * self._panel[0], height))

    def _caption(self) -> str:
        return f"{self._title} ({'paused, space: go on' if self._paused else _KEYS})"

    def _outlines(self, pair: FramePair, start: Point, end: Point) -> list[tuple[int, int, int, int]]:
        """The box between two corners, `(x, y, w, h)` on each image that is there."""
        (left, top), (right, bottom) = np.minimum(start, end), np.maximum(start, end)
        width, height = max(1, right - left), max(1, bottom - top)
        places = ((pair.rgb, 0), (pair.thermal, self._panel[0]))
        return [(offset + left, top, width, height) for image, offset in places if image is not None]

    def _half(self, pair: FramePair, position: Point) -> int | None:
        """0 for a place on the colour image, 1 for one on the thermal image, None outside both."""
        half = int(position[0] >= self._panel[0])
        inside = position[1] < self._panel[1] and (pair.rgb, pair.thermal)[half] is not None
        return half if inside else None

    def _clipped(self, position: Point, half: int) -> Point:
        """The place within its half that is nearest to a place in the window."""
        place = np.clip(np.subtract(position, (half * self._panel[0], 0)), 0, self._panel)
        return int(place[0]), int(place[1])

    def _box(self, pair: FramePair, start: Point, end: Point) -> DrawnBox | None:
        """Two corners on the panel as a box in image pixels; None if it is too small to follow."""
        image = pair.reference
        scale = np.array([image.width, image.height]) / self._panel
        low, high = np.minimum(start, end) * scale, np.maximum(start, end) * scale
        if (high - low).min() < MIN_SIDE:
            return None
        return DrawnBox(np.concatenate([low, high - low]), "thermal" if pair.rgb is None else "rgb")
