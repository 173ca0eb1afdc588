"""The network's inputs: the target's templates, cut once, and the search crops of every frame."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from ckd_ros.frames import Float32Array, FramePair, Image
from ckd_ros.geometry import CropWindow, FloatArray, crop_window
from ckd_ros.tracking.appearance import PATCH
from ckd_ros.tracking.crops import AS_IT_IS, Normalisation, blot_out, cut_colour, cut_thermal
from ckd_ros.tracking.engine.spec import ModelSpec
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.thermal import ThermalNormalizer

#: Error of the thermal template's place that makes no difference, in sides of the target's box.
_WELL_ENOUGH = 0.03


@dataclass(frozen=True)
class Placement:
    """Where an image shows the target that was taken at another moment than its pair's, or is worth less than others.

    Attributes:
        moved: `(2,)` pixels, of the image that boxes are in, by which the target has moved since.
        weight: of the image in the search, [0, 1]: what its crop keeps of its contrast. 0 is an image that is missing.
    """

    moved: FloatArray
    weight: float


@dataclass(frozen=True)
class _Source:
    """What the thermal template was cut from, and with which shift (pixels)."""

    image: Image
    box: FloatArray
    pair_geometry: PairGeometry
    shift: FloatArray


class NetworkInputs:
    """Templates and search crops of one target, in buffers that are made once.

    Modalities are named as the network names them, `rgb` and `tir`. One that does not take part, for want of an image
    or of a template, is zero (the mean colour) in both.

    Attributes:
        placements: of the modalities whose image is older (or newer) than the pair, or worth less; of no other.
        thermal_shift: `(2,)` pixels, of the image that boxes are in, by which the thermal image shows the target off
            from where the registration maps it.
    """

    def __init__(self, spec: ModelSpec, thermal: ThermalNormalizer) -> None:
        self._spec, self._thermal = spec, thermal
        self.placements: dict[str, Placement] = {}
        self.thermal_shift: FloatArray = np.zeros(2)
        self._templates: dict[str, Float32Array] = {}
        self._provisional: set[str] = set()
        self._source: _Source | None = None
        self._template_box = np.zeros(spec.shape("template_box"), np.float32)
        self._no_template = np.zeros(spec.shape("template_rgb"), np.float32)
        self._search: dict[tuple[str, int], Float32Array] = {}

    def has_template(self, modality: str) -> bool:
        """Whether the template of `rgb` or `tir` has been cut."""
        return modality in self._templates

    def weight(self, modality: str) -> float:
        """What the image of `rgb` or `tir` counts in the search, [0, 1]."""
        return self.placements[modality].weight if modality in self.placements else 1.0

    def known_images(self, pair: FramePair) -> tuple[Image | None, Image | None]:
        """The colour and the thermal image of a pair, as far as the template of each has been cut."""
        return pair.rgb if self.has_template("rgb") else None, pair.thermal if self.has_template("tir") else None

    def cut_templates(
        self, pair: FramePair, box: FloatArray, pair_geometry: PairGeometry, misplaced: Collection[str] = ()
    ) -> None:
        """Cut the templates not cut yet from the images that show `box` `(x, y, w, h)`, in RGB pixels.

        Those of `misplaced` modalities, whose images show the target somewhere near, are cut for the time being, and
        once more from the first image that is not.
        """
        window = crop_window(box, self._spec.template_factor, self._spec.stretched)
        if not self._templates:
            self._template_box[0] = window.to_fraction(box)
        for modality, image in (("rgb", pair.rgb), ("tir", pair.thermal)):
            if image is None or (modality == "tir" and not pair_geometry.shows(box)):
                continue
            if modality not in self._templates or (modality in self._provisional and modality not in misplaced):
                template = np.empty_like(self._no_template)
                self._cut(modality, image, window, pair_geometry, template)
                self._templates[modality] = template
                (self._provisional.add if modality in misplaced else self._provisional.discard)(modality)
                if modality == "tir":
                    kept = Image(image.data.copy(), image.encoding)
                    self._source = _Source(kept, box.copy(), pair_geometry, self.thermal_shift)

    def recut_thermal(self, shift: FloatArray) -> None:
        """Cut the thermal template once more from its own image, the shift being known by now: `(2,)` sides of the box.

        Nothing is done where that was known well enough before, nor after `keep_thermal`.
        """
        source = self._source
        if source is None or "tir" in self._provisional:
            return
        side = np.sqrt(source.box[2:].prod())
        if np.abs(shift * side - source.shift).max() > _WELL_ENOUGH * side:
            window = _moved(crop_window(source.box, self._spec.template_factor, self._spec.stretched), shift * side)
            template = np.empty_like(self._no_template)
            self._cut_thermal(source.image, window, source.pair_geometry, template, self._spec.normalisation)
            self._templates["tir"] = template

    def keep_thermal(self) -> None:
        """Keep the thermal template as it is from now on."""
        self._source = None

    def for_window(
        self,
        rgb: Image | None,
        thermal: Image | None,
        window: CropWindow,
        pair_geometry: PairGeometry,
        size: int | None = None,
        without: FloatArray | None = None,
    ) -> dict[str, Float32Array]:
        """All inputs for one search window (RGB pixels). The arrays are overwritten by the next call.

        `size`: pixels a side of the search crops, None: the network's `search_size`. `without`: a box `(x, y, w, h)`
        that is blotted out.
        """
        size = size or self._spec.search_size
        inputs = {}
        for modality, image in (("rgb", rgb), ("tir", thermal)):
            search = self._buffer(modality, size)
            if image is None:
                search.fill(0.0)
            else:
                self._cut(modality, image, window, pair_geometry, search)
                if without is not None:
                    blot_out(search[0], window.to_fraction(without) * size)
                if (weight := self.weight(modality)) < 1.0:
                    search *= np.float32(weight)
            inputs[f"search_{modality}"] = search
            inputs[f"template_{modality}"] = self._no_template if image is None else self._templates[modality]
        if self._spec.uses_box:
            inputs["template_box"] = self._template_box
        return inputs

    def patches(
        self, rgb: Image | None, thermal: Image | None, box: FloatArray, pair_geometry: PairGeometry
    ) -> dict[str, Float32Array]:
        """What `rgb` and `tir` show in a box `(x, y, w, h)` of RGB pixels, `(3, PATCH, PATCH)` in [0, 1], of each
        that shows it."""
        window, found = CropWindow(*(float(value) for value in box)), {}
        for modality, image in (("rgb", rgb), ("tir", thermal)):
            if image is not None and (modality == "rgb" or pair_geometry.shows(box)):
                patch = np.empty((1, 3, PATCH, PATCH), np.float32)
                self._cut(modality, image, window, pair_geometry, patch, AS_IT_IS)
                found[modality] = patch[0]
        return found

    def _buffer(self, modality: str, size: int) -> Float32Array:
        if (modality, size) not in self._search:
            self._search[modality, size] = np.zeros((1, 3, size, size), np.float32)
        return self._search[modality, size]

    def placed(self, modality: str, window: CropWindow) -> CropWindow:
        """The window in which the image of `rgb` or `tir` shows what the pair shows in `window`, without the shift."""
        if modality not in self.placements:
            return window
        return _moved(window, -self.placements[modality].moved)

    def _cut(
        self,
        modality: str,
        image: Image,
        window: CropWindow,
        pair_geometry: PairGeometry,
        out: Float32Array,
        normalisation: Normalisation | None = None,
    ) -> None:
        """`normalisation`: None: the network's."""
        window, normalisation = self.placed(modality, window), normalisation or self._spec.normalisation
        if modality == "rgb":
            cut_colour(image, window, normalisation, out[0], self._spec.border)
        else:
            self._cut_thermal(image, _moved(window, self.thermal_shift), pair_geometry, out, normalisation)

    def _cut_thermal(
        self, image: Image, window: CropWindow, geometry: PairGeometry, out: Float32Array, normalisation: Normalisation
    ) -> None:
        to_thermal, border = geometry.around(window), self._spec.border
        cut_thermal(image, window, to_thermal, self._thermal, normalisation, out[0], border)


def _moved(window: CropWindow, by: FloatArray) -> CropWindow:
    return replace(window, x=window.x + by[0], y=window.y + by[1])
