"""A live window on a run: the overlay of every frame, keys that pause and end it, and boxes drawn with the mouse.

Drawn by SDL (package `pygame-ce`, extra `window`): OpenCV's headless wheel has no windows.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ckd_ros.colour import to_rgb
from ckd_ros.frames import FramePair
from ckd_ros.geometry import Size
from ckd_ros.tracking import Registration, TrackResult
from ckd_ros.tracking.overlay import draw_overlay

#: The overlay's images are scaled to fit into this, pixels each.
PANEL = (640, 640)
#: Smallest box that can be drawn, image pixels each way.
_SMALLEST = 2.0
#: Milliseconds between checks for Ctrl-C while nothing happens.
_IDLE_MS = 100
_DRAWN_COLOUR = (255, 210, 60)  # red, green, blue
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
        self._surface: Any = None
        self._paused = False
        self._returned = time.monotonic()  # when the caller last got control back

    def __enter__(self) -> LiveWindow:
        self._pygame = _display()
        return self

    def __exit__(self, *error: object) -> None:
        self._pygame.display.quit()

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
        self._show_picture(picture, self._caption())
        # What the caller needs for a frame is part of its time on the screen.
        due = time.monotonic() + max(0.0, self._period - (time.monotonic() - self._returned))
        drawn = None
        while not self.ended and drawn is None:
            remaining = due - time.monotonic()
            event = pygame.event.wait(_IDLE_MS if self._paused else max(1, min(_IDLE_MS, round(1e3 * remaining))))
            if event.type == pygame.NOEVENT and remaining <= 0 and not self._paused:
                break
            if self._asks_to_end(event):
                self.ended = True
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_SPACE:
                self._paused = not self._paused
                self._show_picture(picture, self._caption())
            elif event.type == pygame.KEYDOWN and event.key == pygame.K_r:
                drawn = self.ask_box(pair, note)
                self._show_picture(picture, self._caption())
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
            self._show_picture(picture, _DRAWING)
            if corners is not None:
                self._outline(pair, *corners)
            event = pygame.event.wait(_IDLE_MS)
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
        if self._surface is not None:
            return
        image, pygame = pair.reference, self._pygame
        scale = min(PANEL[0] / image.width, PANEL[1] / image.height)
        self._panel = max(1, round(scale * image.width)), max(1, round(scale * image.height))
        height = draw_overlay(pair, None, self._registration, self._panel).shape[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no GPU to scale with
            # SCALED: the person may resize the window, and the mouse stays in pixels of the picture.
            self._surface = pygame.display.set_mode((2 * self._panel[0], height), pygame.SCALED | pygame.RESIZABLE)

    def _caption(self) -> str:
        return f"{self._title} ({'paused, space: go on' if self._paused else _KEYS})"

    def _show_picture(self, picture: np.ndarray, title: str) -> None:
        pygame = self._pygame
        pygame.display.set_caption(title)
        data = to_rgb(picture, "bgr8")
        self._surface.blit(pygame.image.frombuffer(data, data.shape[1::-1], "RGB"), (0, 0))
        pygame.display.flip()

    def _outline(self, pair: FramePair, start: Point, end: Point) -> None:
        """Show the box between two corners on each image that is there."""
        pygame = self._pygame
        (left, top), (right, bottom) = np.minimum(start, end), np.maximum(start, end)
        for image, offset in ((pair.rgb, 0), (pair.thermal, self._panel[0])):
            if image is not None:
                outline = pygame.Rect(offset + left, top, max(1, right - left), max(1, bottom - top))
                pygame.draw.rect(self._surface, _DRAWN_COLOUR, outline, 2)
        pygame.display.flip()

    def _asks_to_end(self, event: Any) -> bool:
        pygame = self._pygame
        asked = event.type == pygame.KEYDOWN and event.key in (pygame.K_ESCAPE, pygame.K_q)
        return asked or event.type == pygame.QUIT

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
        if (high - low).min() < _SMALLEST:
            return None
        return DrawnBox(np.concatenate([low, high - low]), "thermal" if pair.rgb is None else "rgb")


def _display() -> Any:
    """The module `pygame`, with its display started."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError as error:
        raise ModuleNotFoundError("a window needs the package pygame-ce: pip install '.[window]'") from error
    asked = os.environ.get("SDL_VIDEODRIVER")
    # Where nothing names a display, SDL would draw into memory, unseen.
    if sys.platform == "linux" and not (asked or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ValueError("there is no display for a window (neither DISPLAY nor WAYLAND_DISPLAY is set)")
    try:
        pygame.display.init()
    except pygame.error as error:
        raise ValueError(f"there is no display for a window: {error}") from error
    if pygame.display.get_driver() in ("offscreen", "dummy") and not asked:
        pygame.display.quit()
        raise ValueError(f"there is no display for a window: DISPLAY={os.environ.get('DISPLAY')} does not answer")
    return pygame
