"""A window on a robot: what its tracker sees, and boxes drawn with the mouse to show it a target."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ckd_ros.app.point_picker import HELP, PointPicker
from ckd_ros.app.screen import Screen
from ckd_ros.calibration.settings import CalibrationSettings
from ckd_ros.ros.shown_frame import Point, ShownFrame

if TYPE_CHECKING:
    from ckd_ros.ros.viewer import Viewer

#: Milliseconds between looks for a new picture.
_TICK_MS = 15
#: So long an answer is shown, seconds.
_ANSWER_SHOWN = 8.0
_TITLE = "ckd view (drag a box: follow what is in it, s: stop, c: points for a registration, q: end)"
#: So long an image of each camera is waited for until it is said why none comes, seconds.
_PATIENCE = 3.0
#: (height, width, channels) of the window while there is no picture.
_EMPTY = (360, 640, 3)


class ViewWindow:
    """Shows the newest picture of a robot; while a box is dragged, the one in which it was begun.

    With `c` both cameras' images of one moment stand still, and the person clicks what is the same in both.

    Args:
        viewer: where the pictures come from and the boxes go.
        say: told each answer of the tracker, and what became of points; both are shown in the window too.
        out: file of parameters for a registration from points.
    """

    def __init__(self, viewer: Viewer, say: Callable[[str], object], out: Path) -> None:
        self._viewer, self._say, self._out = viewer, say, out
        self._frame: ShownFrame | None = None
        self._drag: tuple[Point, Point] | None = None  # where a box was begun and where it is
        self._text, self._text_until = "", 0.0
        self._drawn: tuple[Any, ...] = ()
        self._asked_for_pair: float | None = None  # when
        self._picker: PointPicker | None = None
        self._marks = 0  # how often they changed

    def run(self) -> None:
        """Show what comes until the person ends it. Raises what entering a `Screen` raises."""
        with Screen() as screen:
            pygame = screen.pygame
            while True:
                self._draw(screen)
                for event in (pygame.event.wait(_TICK_MS), *pygame.event.get()):
                    if self._is_key(pygame, event, "K_ESCAPE") and self._leave():
                        continue
                    if screen.asks_to_end(event):
                        return
                    if self._picker is not None:
                        self._on_point(pygame, event, self._picker)
                    elif self._is_key(pygame, event, "K_c") and self._drag is None:
                        self._begin_points()
                    elif self._is_key(pygame, event, "K_s"):
                        self._note("asked to stop")
                        self._viewer.stop()
                    else:
                        self._on_mouse(pygame, event)
                if (answer := self._viewer.answer()) is not None:
                    self._note(answer)
                    self._say(answer)
                self._wait_for_pair()
                if self._drag is None:
                    self._frame = self._viewer.newest() or self._frame

    @staticmethod
    def _is_key(pygame: Any, event: Any, *names: str) -> bool:
        return event.type == pygame.KEYDOWN and event.key in [getattr(pygame, name) for name in names]

    def _leave(self) -> bool:
        """Give up what is under way: a box, or the points. Whether there was something."""
        busy = self._drag is not None or self._picker is not None or self._asked_for_pair is not None
        if self._asked_for_pair is not None:
            self._viewer.want_pairs(False)
        self._drag = self._picker = self._asked_for_pair = None
        return busy

    # -- points ------------------------------------------------------------------------------------------------------

    def _begin_points(self) -> None:
        if self._asked_for_pair is None:
            self._asked_for_pair = time.monotonic()
            self._viewer.want_pairs(True)
            self._note("waiting for an image of each camera")

    def _wait_for_pair(self) -> None:
        """Stop at the pair that was asked for, or say why it does not come."""
        if self._asked_for_pair is None:
            return
        pair = self._viewer.pair()
        if pair is not None:
            self._leave()
            self._picker = PointPicker(pair, self._out, CalibrationSettings().max_error)
            self._note(HELP)
        elif time.monotonic() - self._asked_for_pair > _PATIENCE:
            self._note(f"no image of each camera: {self._viewer.missing()} (Esc: leave)")

    def _on_point(self, pygame: Any, event: Any, picker: PointPicker) -> None:
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            picker.click(event.pos)
        elif self._is_key(pygame, event, "K_u"):
            picker.undo()
        elif self._is_key(pygame, event, "K_s", "K_RETURN"):
            try:
                said = picker.save()
            except (ValueError, OSError) as error:
                said = f"refused: {error}"
            self._note(said)
            self._say(said)
        else:
            return
        self._marks += 1

    # -- pictures ----------------------------------------------------------------------------------------------------

    def _draw(self, screen: Screen) -> None:
        """Show the present state, unless it is shown already."""
        picker = self._picker
        shown = time.monotonic() < self._text_until
        text = self._text if shown else self._viewer.waiting() if picker is None else HELP
        state = (self._frame if picker is None else picker, self._drag, self._marks, text)
        if state == self._drawn:
            return
        self._drawn = state
        if picker is not None:
            picture = picker.picture
        else:
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
