"""What every source of frames looks like to the rest of the code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from ckd_ros.frames import FramePair


class FrameSequence(ABC):
    """A finite stream of frame pairs at a nominal rate, with ground truth where it is known.

    Attributes:
        name: short name, usable as a file name.
        rate: nominal frames per second.
        modality: which cameras the sequence has: both, rgb or thermal.
        boxes: `N x 4` ground truth `(x, y, w, h)` in RGB pixels (thermal ones where there are thermal images only), NaN
            rows where the target is not visible or not annotated; None when there is no truth beyond `init_box`.
        thermal_boxes: the same in thermal pixels; None where there is no separate thermal truth.
        other_boxes: `N x K x 4` boxes of other objects that could be taken for the target, in the pixels of `boxes`,
            NaN where one is not visible; None where they are not known.
        init_box: `(4,)` box in the first frame, or None when the source does not say.
        attributes: what makes it hard, by the names that its data set uses; empty where that is not known.
        stride: every how many frames the truth speaks of one.
        annotated: `(N,)` whether it speaks of each frame, where images may have been lost in between; None: of all.
        notes: what is doubtful about it and was decided one way; whoever uses the sequence has to be told.
        inputs: files and folders that it is read from, or would be if they were there: nothing may be written to them.
    """

    name: str
    rate: float
    modality: str = "both"
    boxes: np.ndarray | None = None
    thermal_boxes: np.ndarray | None = None
    other_boxes: np.ndarray | None = None
    init_box: np.ndarray | None = None
    attributes: frozenset[str] = frozenset()
    stride: int = 1
    annotated: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def frames(self) -> Iterator[FramePair]:
        """Iterate over the pairs from the first on; every call starts anew.

        A frame that cannot be read raises ValueError or OSError. Where frames can be read one by one (image files),
        the iterator then goes on with the next one; elsewhere it has ended.
        """

    def pair(self, index: int) -> FramePair:
        """The pair of frame `index`. Sources that cannot jump produce all frames before it.

        Raises IndexError outside `0 ... len - 1`.
        """
        self._check_index(index)
        return next(islice(self.frames(), index, None))

    def truth(self, index: int) -> tuple[np.ndarray | None, np.ndarray | None]:
        """The true box of frame `index` in colour and in thermal pixels; None where it is not known."""
        rgb, thermal = (None, self.boxes) if self.modality == "thermal" else (self.boxes, self.thermal_boxes)
        return None if rgb is None else rgb[index], None if thermal is None else thermal[index]

    def _check_index(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.name} has frames 0 to {len(self) - 1}, not {index}")


def describe_error(error: Exception) -> str:
    """The message of an error in one line; its type where it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


def readable(frames: Iterable[FramePair], count: int) -> Iterator[FramePair | str]:
    """The `count` frames of a sequence; in place of each one that cannot be read stands the reason.

    Nothing is raised. Frames after one that cannot be read come as long as the source goes on
    (`FrameSequence.frames`); where it ends, this ends too.
    """
    pairs = iter(frames)
    for _ in range(count):
        pair: FramePair | str
        try:
            pair = next(pairs)
        except StopIteration:
            return
        except Exception as error:  # whatever a reader raises, the frames after this one may be good
            pair = describe_error(error)
        yield pair
