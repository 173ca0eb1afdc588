"""Trackers of one camera's images among pairs: boxes go in and come back in RGB pixels."""

from __future__ import annotations

import numpy as np

from ckd_ros.evaluation.trackers.interface import BoxEstimate, Estimate, SequenceTracker
from ckd_ros.frames import FramePair
from ckd_ros.geometry import transform_box
from ckd_ros.tracking import Registration

MODALITIES = ("both", "rgb", "thermal")


class SingleModalityView:
    """A tracker that sees one camera's images alone.

    It gets pairs without the other image, and boxes in pixels of its own image: both images show the same field of
    view, so that a thermal box is the RGB box times the ratio of the image sizes. As long as no RGB image has come (a
    thermal sequence), boxes go in and come back in thermal pixels. Where its image is missing it is not asked, and its
    last estimate stands.

    Args:
        tracker: follows what is in a pair that holds one image.
        modality: `rgb` or `thermal`.
    """

    def __init__(self, tracker: SequenceTracker, modality: str) -> None:
        self.tracker, self.modality = tracker, modality

    def init(self, pair: FramePair, box: np.ndarray) -> Estimate:
        """Raises ValueError if the pair lacks the image that the tracker looks at."""
        own = self._own_image(pair)
        if own is None:
            raise ValueError(f"the first pair has no {self.modality} image, and this tracker looks at no other")
        self._to_own = np.eye(3)  # from RGB pixels
        self._note_sizes(pair)
        self._last = self._in_rgb_pixels(self.tracker.init(own, transform_box(self._to_own, box)))
        return self._last

    def update(self, pair: FramePair) -> Estimate:
        own = self._own_image(pair)
        self._note_sizes(pair)
        if own is not None:
            self._last = self._in_rgb_pixels(self.tracker.update(own))
        return self._last

    def _own_image(self, pair: FramePair) -> FramePair | None:
        image = pair.rgb if self.modality == "rgb" else pair.thermal
        if image is None:
            return None
        if self.modality == "rgb":
            return FramePair(image, None, pair.stamp, None)
        return FramePair(None, image, None, pair.thermal_stamp)

    def _note_sizes(self, pair: FramePair) -> None:
        if self.modality == "thermal" and pair.rgb is not None and pair.thermal is not None:
            self._to_own = Registration().matrix(pair.rgb.size, pair.thermal.size)

    def _in_rgb_pixels(self, estimate: Estimate) -> BoxEstimate:
        return BoxEstimate(transform_box(np.linalg.inv(self._to_own), estimate.box), estimate.confidence)


def with_modality(tracker: SequenceTracker, modality: str) -> SequenceTracker:
    """A tracker of ours on `both` images (as it is) or on one alone."""
    return tracker if modality == "both" else SingleModalityView(tracker, modality)
