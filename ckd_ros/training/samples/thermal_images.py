"""Samples of labelled thermal images: an object where it is, or carried to another place; others are look-alikes."""

from __future__ import annotations

import cv2
import numpy as np

from ckd_ros.datasets import degradations
from ckd_ros.datasets.tar_images import LabelledImages
from ckd_ros.geometry import CropWindow, centre, scaling, translation
from ckd_ros.training.samples.cropping import Cropper, Sample
from ckd_ros.training.samples.objects import soft_mask

_SMALLEST = 7.0  # side in pixels of an object to learn from


class ThermalImageSource:
    """Thermal samples; colour is absent. The search region is turned, stretched and zoomed about its object.

    Raises ValueError where no object is large enough to learn from.
    """

    def __init__(self, images: LabelledImages, cropper: Cropper) -> None:
        self.images, self.cropper = images, cropper
        self.config, self.composing = cropper.config.identity, cropper.config.composing
        self._objects = [
            (name, row) for name, row in images.objects if np.sqrt(np.prod(images.boxes(name)[row, 2:])) >= _SMALLEST
        ]
        if not self._objects:
            raise ValueError(f"no labelled object of {_SMALLEST:g} pixels or more in the thermal images")

    def sample(self, rng: np.random.Generator) -> Sample:
        """One sample; where the target is absent, the search region is around another of its class."""
        cropper, images = self.cropper, self.images
        name, row = self._objects[int(rng.integers(len(self._objects)))]
        image, box = images.image(name), images.boxes(name)[row]
        T, S = cropper.template_size, cropper.search_size
        window = cropper.template_window(box)
        absent = self._other_in_sight(rng, name, row) if rng.random() < self.config.absent else None
        if absent is None and rng.random() < self.config.elsewhere:
            search, shown = self._elsewhere(rng, image, box)
        else:
            search, shown = self._in_place(rng, image, box if absent is None else absent)
        return {
            "template_rgb": np.zeros((T, T, 3), np.uint8),
            "template_tir": self.cropper.cut(image, window.matrix(T), T),
            "search_rgb": np.zeros((S, S, 3), np.uint8),
            "search_tir": search,
            "template_box": window.to_fraction(box),
            "box": shown,
            "present": np.array([False, True]),
            "positive": absent is None,
        }

    def _other_in_sight(self, rng: np.random.Generator, name: str, row: int) -> np.ndarray | None:
        """The box of another object of the class, too far away for the target to be in its search region."""
        boxes = self.images.boxes(name)
        others = boxes[self.images.same_class(name, row)]
        side = np.sqrt(others[:, 2] * others[:, 3])
        reach = side * self.cropper.search_factor * 1.3 + np.sqrt(np.prod(boxes[row, 2:]))
        far = others[(np.abs(centre(others) - centre(boxes[row])) > reach[:, None]).any(axis=1) & (side >= _SMALLEST)]
        return far[int(rng.integers(len(far)))] if len(far) else None

    def _in_place(self, rng: np.random.Generator, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The search region around an object, and its box there."""
        change, changed = self._change(rng, box)
        window = self.cropper.search_window(rng, changed)
        S = self.cropper.search_size
        return self.cropper.cut(image, window.matrix(S) @ change, S), window.to_fraction(changed)

    def _change(self, rng: np.random.Generator, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """3x3 of what became of the world around an object, and the object's box after it."""
        config = self.composing
        middle, angle = centre(box), rng.normal(0, config.turn)
        stretch = np.exp(rng.normal(0, config.squeeze, 2) + rng.normal(0, config.grow))
        mirror = -1.0 if rng.random() < self.config.mirrored else 1.0
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        change = translation(*middle) @ turn @ scaling(mirror * stretch[0], stretch[1]) @ translation(*-middle)
        size = box[2:] * stretch  # tight boxes of round things stay about as large when turned a little
        return change, np.concatenate([middle - size / 2, size])

    def _elsewhere(self, rng: np.random.Generator, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The object carried into another image, beside an object there; search region and box."""
        name, row = self._objects[int(rng.integers(len(self._objects)))]
        place, there = self.images.image(name), self.images.boxes(name)[row]
        change, changed = self._change(rng, box)
        side = float(np.sqrt(changed[2] * changed[3]))
        angle, reach = rng.uniform(0, 2 * np.pi), side + float(np.sqrt(there[2] * there[3])) / 2
        middle = centre(there) + rng.uniform(0.8, 1.6) * reach * np.array([np.cos(angle), np.sin(angle)])
        middle = np.clip(middle, side, np.array(place.shape[::-1]) - side)
        move = translation(*(middle - centre(changed)))
        changed = np.concatenate([middle - changed[2:] / 2, changed[2:]])
        window = self.cropper.search_window(rng, changed)
        S = self.cropper.search_size
        crop = self.cropper.cut(place, window.matrix(S), S)
        carried = self.cropper.cut(image, window.matrix(S) @ move @ change, S)
        return _blended(rng, crop, carried, window, changed), window.to_fraction(changed)


def _blended(
    rng: np.random.Generator, crop: np.ndarray, carried: np.ndarray, window: CropWindow, box: np.ndarray
) -> np.ndarray:
    """A crop with the region of a box from another, softly, at the level of what surrounds it."""
    size = len(crop)
    x, y, w, h = window.to_fraction(box) * size
    width, height = max(6, round(w * 1.08)), max(6, round(h * 1.08))  # a little of what surrounds the object
    mask = soft_mask(rng, width, height).astype(np.float32) / 255
    view = np.array([[1.0, 0.0, x + w / 2 - width / 2], [0.0, 1.0, y + h / 2 - height / 2]])
    weight = cv2.warpAffine(mask, view, (size, size))
    around = cv2.dilate((weight > 0).astype(np.uint8), np.ones((1 + height // 4, 1 + width // 4), np.uint8)) > 0
    around &= weight == 0
    if around.any():
        level = float(np.median(crop[around])) - float(np.median(carried[around]))
        carried = degradations.gain(carried, 1.0, level)
    return cv2.blendLinear(crop, carried, 1 - weight, weight)
