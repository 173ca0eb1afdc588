"""A window on a robot: what its tracker sees, and boxes drawn with the mouse to show it a target."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ckd_ros.app.screen import Screen
from ckd_ros.ros.shown_frame import Point, ShownFrame

if TYPE_CHECKING:
    from ckd_ros.ros.viewer import Viewer

#: Milliseconds between looks for a new picture.
_TICK_MS = 15
#: So long an answer is shown, seconds.
_ANSWER_SHOWN = 8.0
_TITLE = "ckd view (drag a box: follow what is in it, s: stop, q: end)"
#: (height, width, channels) of the window while there is no picture.
_EMPTY = (360, 640, 3)


class ViewWindow:
    """Shows the newest picture of a robot; while a box is dragged, the one in which it was begun.

    Args:
        viewer: where the pictures come from and the boxes go.
        say: told each answer of the tracker, which is shown in the window too.
    """

    def __init__(self, viewer: Viewer, say: Callable[[str], object]) -> None:
        self._viewer, self._say = viewer, say
        self._frame: ShownFrame | None = None
        self._drag: tuple[Point, Point] | None = None  # where a box was begun and where it is
        self._text, self._text_until = "", 0.0
        self._drawn: tuple[Any, ...] = ()

    def run(self) -> None:
        """Show what comes until the person ends it. Raises what entering a `Screen` raises."""
        with Screen() as screen:
            pygame = screen.pygame
            while True:
                self._draw(screen)
                for event in (pygame.event.wait(_TICK_MS), *pygame.event.get()):
                    if self._drag is not None and event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE:
                        self._drag = None
                    elif screen.asks_to_end(event):
                        return
                    elif event.type == pygame.KEYDOWN and event.key == pygame.K_s:
                        self._note("asked to stop")
                        self._viewer.stop()
                    else:
                        self._on_mouse(pygame, event)
                if (answer := self._viewer.answer()) is not None:
                    self._note(answer)
                    self._say(answer)
                if self._drag is None:
                    self._frame = self._viewer.newest() or self._frame

    def _draw(self, screen: Screen) -> None:
        """Show the present state, unless it is shown already."""
        text = self._text if time.monotonic() < self._text_until else self._viewer.waiting()
        state = (self._frame, self._drag, text)
        if state == self._drawn:
            return
        self._drawn = state
        picture = np.zeros(_EMPTY, np.uint8) if self._frame is None else self._frame.picture
        boxes = self._frame.outlines(*self._drag) if self._frame is not None and self._drag is not None else []
        screen.open((picture.shape[1], picture.shape[0]))
        screen.show(picture, _TITLE, boxes, text)

    def _on_mouse(self, pygame: Any, event: Any) -> None:
        frame = self._frame
        if frame is None:
            return
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            if frame.size is None:
                self._note("the size of the camera's images is not known yet: none has come on its topic")
            elif frame.panel_at(event.pos) is not None:
                self._drag = event.pos, event.pos
        elif event.type == pygame.MOUSEMOTION and self._drag is not None:
            self._drag = self._drag[0], event.pos
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1 and self._drag is not None:
            box = frame.box(self._drag[0], event.pos)
            self._drag = None
            if box is not None:
                self._note("asked to follow what is in the box")
                self._viewer.init_target(box, frame.stream, frame.stamp)

    def _note(self, text: str) -> None:
        self._text, self._text_until = text, time.monotonic() + _ANSWER_SHOWN
