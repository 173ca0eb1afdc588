"""Samples cut from recordings: single-modality videos, and RGB-T sequences with separate ground truth."""

from __future__ import annotations

import logging

import numpy as np

from ckd_ros.colour import gain_control, to_grey, to_rgb
from ckd_ros.datasets.benchmarks import SPLITS, open_dataset
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import centre, scaling
from ckd_ros.training.samples.config import DataSetConfig
from ckd_ros.training.samples.cropping import Cropper, Sample
from ckd_ros.training.samples.video_bank import STRIDE, VideoBank

log = logging.getLogger(__name__)


class VideoSource:
    """Samples of one modality; the other is absent.

    Template and search region may come in either order: there are few such videos, and many frames in each.
    """

    def __init__(self, bank: VideoBank, cropper: Cropper):
        self.bank, self.cropper = bank, cropper
        self.max_gap = max(1, cropper.config.video_gap // STRIDE)

    def sample(self, rng: np.random.Generator) -> Sample:
        bank, cropper = self.bank, self.cropper
        first, last = bank.spans[int(rng.integers(len(bank.spans)))]
        template = int(rng.integers(first, last))
        search = int(np.clip(template + rng.integers(-self.max_gap, self.max_gap + 1), first, last - 1))
        template_window = cropper.template_window(bank.boxes[template])
        search_window = cropper.search_window(rng, bank.boxes[search])
        search_window, positive = cropper.sample_negative(rng, search_window, bank.boxes[search])
        T, S = cropper.template_size, cropper.search_size
        present, absent = ("tir", "rgb") if bank.thermal else ("rgb", "tir")
        channels = (3,) if bank.thermal else ()  # of the absent modality
        return {
            f"template_{present}": self.cropper.cut(np.asarray(bank.images[template]), template_window.matrix(T), T),
            f"search_{present}": self.cropper.cut(np.asarray(bank.images[search]), search_window.matrix(S), S),
            f"template_{absent}": np.zeros((T, T, *channels), np.uint8),
            f"search_{absent}": np.zeros((S, S, *channels), np.uint8),
            "template_box": template_window.to_fraction(bank.boxes[template]),
            "box": search_window.to_fraction(bank.boxes[search]),
            "present": np.array([not bank.thermal, bank.thermal]),
            "positive": positive,
        }


class SequenceSource:
    """Samples of a data set of RGB-T sequences: every sequence equally often, only frames with a visible target.

    Raises FileNotFoundError and ValueError for a data set with no usable sequence, saying what was expected.
    """

    def __init__(self, config: DataSetConfig, cropper: Cropper):
        self.config, self.cropper = config, cropper
        # By default the training split, where there is one: otherwise test sequences would be trained on.
        split = config.split or ("train" if "train" in SPLITS.get(config.kind, ()) else None)
        data = open_dataset(config.kind, config.root, split)
        if data.faults or any(sequence.notes for sequence in data):
            log.warning("%s", data.report())
        self.sequences: list[tuple[FrameSequence, np.ndarray]] = []
        for sequence in data:
            frames = _visible_frames(sequence)
            if len(frames) > 1:
                self.sequences.append((sequence, frames))
            else:
                log.warning("%s: %d frames with a visible target, 2 are needed", sequence.name, len(frames))
        if not self.sequences:
            raise ValueError(
                f"{config.kind} in '{config.root}': none of {len(data)} sequences has two frames with a visible target "
                f"(a box x, y, w, h with numbers above 0)"
            )

    def sample(self, rng: np.random.Generator) -> Sample:
        """Raises ValueError, OSError or OpenCV's error, with the file's name, for a damaged image."""
        sequence, frames = self.sequences[int(rng.integers(len(self.sequences)))]
        return self._crop(rng, sequence, *self._two_frames(rng, frames))

    def _two_frames(self, rng: np.random.Generator, frames: np.ndarray) -> tuple[int, int]:
        """Template and search frame, drawn uniformly, at most `max_gap` apart; the template first if `causal`."""
        gap = self.config.max_gap
        first = 1 if self.config.causal else 0
        anchor = int(frames[rng.integers(len(frames) - first)])
        low = anchor + 1 if self.config.causal else anchor - gap
        near = frames[(frames >= low) & (frames <= anchor + gap)]
        if not len(near):  # the target was out of sight for longer than the gap: the next time it is seen
            near = frames[frames > anchor][:1]
        return anchor, int(rng.choice(near))

    def _crop(self, rng: np.random.Generator, sequence: FrameSequence, template: int, search: int) -> Sample:
        cropper, config, boxes = self.cropper, self.config, _boxes(sequence)
        template_pair, search_pair = pairs = sequence.pair(template), self._search_pair(rng, sequence, search)
        present = [all(pair.rgb is not None for pair in pairs), all(pair.thermal is not None for pair in pairs)]
        if not any(present):
            raise ValueError(f"{sequence.name}, frames {template} and {search}: no modality has an image in both")
        template_window = cropper.template_window(boxes[template])
        search_window = cropper.search_window(rng, boxes[search])
        search_window, positive = cropper.sample_negative(rng, search_window, boxes[search])
        T, S = cropper.template_size, cropper.search_size
        sample: Sample = {
            "template_rgb": np.zeros((T, T, 3), np.uint8),
            "search_rgb": np.zeros((S, S, 3), np.uint8),
            "template_tir": np.zeros((T, T), np.uint8),
            "search_tir": np.zeros((S, S), np.uint8),
            "template_box": template_window.to_fraction(boxes[template]),
            "box": search_window.to_fraction(boxes[search]),
            "present": np.array(present),
            "positive": positive,
        }
        if template_pair.rgb is not None and search_pair.rgb is not None:
            sample["template_rgb"] = self._rgb(template_pair.rgb, template_window.matrix(T), T)
            sample["search_rgb"] = self._rgb(search_pair.rgb, search_window.matrix(S), S)
        if template_pair.thermal is not None and search_pair.thermal is not None:
            rgb = template_pair.rgb or search_pair.rgb
            view = template_window.matrix(T) @ _rgb_from_thermal(config, sequence, template, rgb, template_pair.thermal)
            sample["template_tir"] = self._grey(template_pair.thermal, view, T)
            view = search_window.matrix(S) @ cropper.misregistration(rng, search_window)
            # Even of another moment, the crop is where the tracker would cut it: registered at the colour frame's box.
            view = view @ _rgb_from_thermal(config, sequence, search, rgb, search_pair.thermal)
            sample["search_tir"] = self._grey(search_pair.thermal, view, S)
        return sample

    def _search_pair(self, rng: np.random.Generator, sequence: FrameSequence, index: int) -> FramePair:
        """The pair of a frame, sometimes with the thermal image of a nearby frame."""
        pair, augmentation = sequence.pair(index), self.cropper.config.augmentation
        if rng.random() >= augmentation.time_jitter:
            return pair
        other = index + int(rng.integers(-augmentation.time_frames, augmentation.time_frames + 1))
        other = int(np.clip(other, 0, len(sequence) - 1))
        thermal = pair.thermal if other == index else sequence.pair(other).thermal
        return FramePair(pair.rgb, thermal or pair.thermal, pair.stamp, pair.thermal_stamp)

    def _rgb(self, image: Image, view: np.ndarray, size: int) -> np.ndarray:
        return to_rgb(self.cropper.cut(gain_control(image), view, size), image.encoding)

    def _grey(self, image: Image, view: np.ndarray, size: int) -> np.ndarray:
        return to_grey(self.cropper.cut(gain_control(image), view, size), image.encoding)


def _rgb_from_thermal(
    config: DataSetConfig, sequence: FrameSequence, index: int, rgb: Image | None, thermal: Image
) -> np.ndarray:
    """3x3 transform from pixels of a frame's thermal image to those of its colour image."""
    if sequence.modality == "thermal" or rgb is None:
        return np.eye(3)
    thermal_boxes = sequence.thermal_boxes
    if config.thermal_crop == "thermal" and thermal_boxes is not None and np.isfinite(thermal_boxes[index]).all():
        return _similarity(thermal_boxes[index], _boxes(sequence)[index])
    return scaling(rgb.width / thermal.width, rgb.height / thermal.height)


def _boxes(sequence: FrameSequence) -> np.ndarray:
    """The boxes of a sequence that is known to have some."""
    assert sequence.boxes is not None
    return sequence.boxes


def _visible_frames(sequence: FrameSequence) -> np.ndarray:
    """Numbers of the frames whose target is visible."""
    if sequence.boxes is None:
        return np.zeros(0, int)
    boxes = np.asarray(sequence.boxes, float)
    visible = np.isfinite(boxes).all(axis=1) & (np.nan_to_num(boxes[:, 2:]) > 0).all(axis=1)
    return np.flatnonzero(visible)


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """3x3 similarity that maps one box's centre and side to another's."""
    scale = float(np.sqrt(target[2] * target[3] / (source[2] * source[3])))
    (x, y), (u, v) = centre(source), centre(target)
    return np.array([[scale, 0.0, u - scale * x], [0.0, scale, v - scale * y], [0.0, 0.0, 1.0]])
