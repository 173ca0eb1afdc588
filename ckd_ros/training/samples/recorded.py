"""Samples cut from what cameras recorded: single-modality videos, and RGB-T sequences with separate truth."""

from __future__ import annotations

import logging

import cv2
import numpy as np

from ckd_ros.colour import gain_control, to_grey, to_rgb
from ckd_ros.datasets.benchmarks import open_dataset
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import centre, scaling
from ckd_ros.training.samples.config import DataSetConfig
from ckd_ros.training.samples.cropping import Cropper, cut
from ckd_ros.training.samples.video_bank import STRIDE, VideoBank

log = logging.getLogger(__name__)

#: Sample attempts, after which a data set counts as damaged as a whole.
ATTEMPTS = 10
#: Kinds with a split to learn from: with no split named, test sequences must not slip in.
_WITH_TRAIN_SPLIT = ("lasher", "vtuav", "simulator")


class VideoSource:
    """Samples of one modality; the other is absent.

    Template and search region may come in either order: there are few such videos, and many frames in each.
    """

    def __init__(self, bank: VideoBank, cropper: Cropper):
        self.bank, self.cropper = bank, cropper
        self.reach = max(1, cropper.config.video_gap // STRIDE)

    def sample(self, rng: np.random.Generator) -> dict:
        bank, cropper = self.bank, self.cropper
        first, last = bank.spans[int(rng.integers(len(bank.spans)))]
        old = int(rng.integers(first, last))
        new = int(np.clip(old + rng.integers(-self.reach, self.reach + 1), first, last - 1))
        template_window = cropper.template_window(bank.boxes[old])
        window, positive = cropper.maybe_away(rng, cropper.search_window(rng, bank.boxes[new]), bank.boxes[new])
        T, S = cropper.template_size, cropper.search_size
        there, absent = ("tir", "rgb") if bank.thermal else ("rgb", "tir")
        channels = (3,) if bank.thermal else ()  # of the camera that is absent
        return {
            f"template_{there}": cut(np.asarray(bank.images[old]), template_window.matrix(T), T),
            f"search_{there}": cut(np.asarray(bank.images[new]), window.matrix(S), S),
            f"template_{absent}": np.zeros((T, T, *channels), np.uint8),
            f"search_{absent}": np.zeros((S, S, *channels), np.uint8),
            "template_box": template_window.to_fraction(bank.boxes[old]),
            "box": window.to_fraction(bank.boxes[new]),
            "present": np.array([not bank.thermal, bank.thermal]),
            "positive": positive,
        }


class SequenceSource:
    """Samples of a data set of RGB-T sequences: every sequence equally often, frames without a visible target never.

    A damaged image is named in a warning, once, and other frames take the sample's place; `sample["replaced"]` counts
    that, so that a loader in other processes can report it.

    Raises FileNotFoundError and ValueError for a data set with no sequence to learn from, saying what was expected.
    """

    def __init__(self, config: DataSetConfig, cropper: Cropper):
        self.config, self.cropper = config, cropper
        split = config.split or ("train" if config.kind in _WITH_TRAIN_SPLIT else None)
        data = open_dataset(config.kind, config.root, split)
        if data.faults:
            log.warning("%s", data.report())
        self.sequences: list[tuple[FrameSequence, np.ndarray]] = []
        for sequence in data:
            frames = _usable(sequence)
            if len(frames) > 1:
                self.sequences.append((sequence, frames))
            else:
                log.warning("%s: %d frames with a visible target, needed are 2", sequence.name, len(frames))
        if not self.sequences:
            raise ValueError(
                f"{config.kind} in '{config.root}': none of {len(data)} sequences has two frames with a visible target "
                f"(a box x, y, w, h with numbers above 0)"
            )
        self._named: set[str] = set()

    def sample(self, rng: np.random.Generator) -> dict:
        """Raises OSError when `ATTEMPTS` samples in a row met damaged images."""
        for replaced in range(ATTEMPTS):
            sequence, frames = self.sequences[int(rng.integers(len(self.sequences)))]
            old, new = self._two_frames(rng, frames)
            try:
                sample = self._cut(rng, sequence, old, new)
            except (ValueError, OSError, cv2.error) as error:
                fault = f"{sequence.name}, frames {old} and {new}: {error}"
                if str(error) not in self._named:
                    self._named.add(str(error))
                    log.warning("%s; other frames take the sample's place", fault)
                continue
            sample["replaced"] = replaced
            return sample
        raise OSError(
            f"{ATTEMPTS} samples in a row of {self.config.kind} in '{self.config.root}' met damaged images, "
            f"the last one {fault}: repair the data set"
        )

    def _two_frames(self, rng: np.random.Generator, frames: np.ndarray) -> tuple[int, int]:
        """Template and search frame at most `max_gap` apart, the template first if `causal`; evenly drawn."""
        gap = self.config.max_gap
        first = 1 if self.config.causal else 0
        anchor = int(frames[rng.integers(len(frames) - first)])
        low = anchor + 1 if self.config.causal else anchor - gap
        near = frames[(frames >= low) & (frames <= anchor + gap)]
        if not len(near):  # the target was out of sight for longer than the gap: the next time it is seen
            near = frames[frames > anchor][:1]
        return anchor, int(rng.choice(near))

    def _cut(self, rng: np.random.Generator, sequence: FrameSequence, old: int, new: int) -> dict:
        cropper, template, search = self.cropper, sequence.pair(old), self._search_pair(rng, sequence, new)
        present = np.array([
            template.rgb is not None and search.rgb is not None,
            template.thermal is not None and search.thermal is not None,
        ])  # fmt: skip
        if not present.any():
            raise ValueError("no modality has an image in both")
        colour = template.rgb or search.rgb
        template_window = cropper.template_window(sequence.boxes[old])
        window = cropper.search_window(rng, sequence.boxes[new])
        window, positive = cropper.maybe_away(rng, window, sequence.boxes[new])
        T, S = cropper.template_size, cropper.search_size
        sample = {
            "template_rgb": np.zeros((T, T, 3), np.uint8),
            "search_rgb": np.zeros((S, S, 3), np.uint8),
            "template_tir": np.zeros((T, T), np.uint8),
            "search_tir": np.zeros((S, S), np.uint8),
            "template_box": template_window.to_fraction(sequence.boxes[old]),
            "box": window.to_fraction(sequence.boxes[new]),
            "present": present,
            "positive": positive,
        }
        if present[0]:
            sample["template_rgb"] = _rgb(template.rgb, template_window.matrix(T), T)
            sample["search_rgb"] = _rgb(search.rgb, window.matrix(S), S)
        if present[1]:
            view = self._thermal_view(sequence, old, template_window.matrix(T), colour, template.thermal)
            sample["template_tir"] = _grey(template.thermal, view, T)
            matrix = window.matrix(S) @ cropper.misregistration(rng, window)
            # Even of another moment, the crop is where the tracker would cut it: registered at the colour frame's box.
            view = self._thermal_view(sequence, new, matrix, colour, search.thermal)
            sample["search_tir"] = _grey(search.thermal, view, S)
        return sample

    def _search_pair(self, rng: np.random.Generator, sequence: FrameSequence, index: int) -> FramePair:
        """The pair of a frame, by chance with the thermal image of another moment."""
        pair, augmentation = sequence.pair(index), self.cropper.config.augmentation
        if rng.random() >= augmentation.time_jitter:
            return pair
        late = index + int(rng.integers(-augmentation.time_frames, augmentation.time_frames + 1))
        late = int(np.clip(late, 0, len(sequence) - 1))
        thermal = pair.thermal if late == index else sequence.pair(late).thermal
        return FramePair(pair.rgb, thermal or pair.thermal, pair.stamp, pair.thermal_stamp)

    def _thermal_view(self, sequence: FrameSequence, index: int, view: np.ndarray, colour: Image | None, heat: Image):
        """3x3 view of the thermal image that shows what `view` shows of the colour image."""
        if sequence.modality == "thermal" or colour is None:
            return view
        own = sequence.thermal_boxes
        if self.config.thermal_crop == "thermal" and own is not None and np.isfinite(own[index]).all():
            return view @ _between(own[index], sequence.boxes[index])
        return view @ scaling(colour.width / heat.width, colour.height / heat.height)


def _usable(sequence: FrameSequence) -> np.ndarray:
    """Numbers of the frames whose target is visible."""
    if sequence.boxes is None:
        return np.zeros(0, int)
    boxes = np.asarray(sequence.boxes, float)
    seen = np.isfinite(boxes).all(axis=1) & (np.nan_to_num(boxes[:, 2:]) > 0).all(axis=1)
    return np.flatnonzero(seen)


def _between(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """3x3 similarity that lays one box's centre and side on another's."""
    scale = float(np.sqrt(target[2] * target[3] / (source[2] * source[3])))
    (x, y), (u, v) = centre(source), centre(target)
    return np.array([[scale, 0.0, u - scale * x], [0.0, scale, v - scale * y], [0.0, 0.0, 1.0]])


def _rgb(image: Image, view: np.ndarray, size: int) -> np.ndarray:
    return to_rgb(cut(gain_control(image), view, size), image.encoding)


def _grey(image: Image, view: np.ndarray, size: int) -> np.ndarray:
    return to_grey(cut(gain_control(image), view, size), image.encoding)
