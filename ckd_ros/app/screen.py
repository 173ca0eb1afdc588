"""A window of the desktop with one picture in it, drawn by SDL (package `pygame-ce`, extra `window`).

OpenCV's headless wheel has no windows.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from ckd_ros.colour import to_rgb
from ckd_ros.geometry import Size

#: Milliseconds between checks for Ctrl-C while nothing happens.
IDLE_MS = 100
_DRAWN_COLOUR = (255, 210, 60)  # red, green, blue
_TEXT_COLOUR, _TEXT_GROUND = (240, 240, 240), (24, 24, 24)
#: Height of a line of text, and the margin around it, pixels.
_LINE, _MARGIN = 20, 6


class Screen:
    """The window, there while its context lasts; what a person does in it comes from `pygame.event`.

    Attributes:
        pygame: the module, with its display started.

    Entering raises ModuleNotFoundError without `pygame`, and ValueError where there is no display.
    """

    pygame: Any

    def __init__(self) -> None:
        self._surface: Any = None

    def __enter__(self) -> Screen:
        self.pygame = _display()
        return self

    def __exit__(self, *error: object) -> None:
        self.pygame.display.quit()

    def open(self, size: Size) -> None:
        """Give the window a picture of this size, `(w, h)` pixels; one that has it stays as the person has made it."""
        pygame = self.pygame
        if self._surface is not None:
            if self._surface.get_size() == size:
                return
            pygame.display.quit()  # a new one: SDL may crash where it scales and is to change its size
            pygame.display.init()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is no GPU to scale with
            # SCALED: the person may resize the window, and the mouse stays in pixels of the picture.
            self._surface = pygame.display.set_mode(size, pygame.SCALED | pygame.RESIZABLE)

    def show(
        self,
        picture: np.ndarray,
        title: str,
        boxes: Iterable[tuple[int, int, int, int]] = (),
        text: str = "",
    ) -> None:
        """Show a picture, `h x w x 3` bgr8, with the outlines of boxes `(x, y, w, h)` and a text at its upper edge."""
        pygame = self.pygame
        pygame.display.set_caption(title)
        data = to_rgb(picture, "bgr8")
        self._surface.blit(pygame.image.frombuffer(data, data.shape[1::-1], "RGB"), (0, 0))
        for box in boxes:
            pygame.draw.rect(self._surface, _DRAWN_COLOUR, pygame.Rect(box), 2)
        if text:
            self._write(text)
        pygame.display.flip()

    def _write(self, text: str) -> None:
        pygame = self.pygame
        pygame.font.init()
        width = self._surface.get_width()
        lines = pygame.font.Font(None, _LINE).render(text, True, _TEXT_COLOUR, None, width - 2 * _MARGIN)
        self._surface.fill(_TEXT_GROUND, (0, 0, width, lines.get_height() + 2 * _MARGIN))
        self._surface.blit(lines, (_MARGIN, _MARGIN))

    def asks_to_end(self, event: Any) -> bool:
        """Whether an event is `q`, Esc or the end of the window."""
        pygame = self.pygame
        asked = event.type == pygame.KEYDOWN and event.key in (pygame.K_ESCAPE, pygame.K_q)
        return asked or event.type == pygame.QUIT


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
