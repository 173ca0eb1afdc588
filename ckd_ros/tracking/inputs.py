"""The network's inputs: the target's templates, cut once, and the search crops of every frame."""

from __future__ import annotations

import numpy as np

from ckd_ros.frames import Float32Array, FramePair, Image
from ckd_ros.geometry import CropWindow, FloatArray, crop_window
from ckd_ros.tracking.crops import cut_colour, cut_thermal
from ckd_ros.tracking.engine.spec import ModelSpec
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.thermal import ThermalNormalizer


class NetworkInputs:
    """Templates and search crops of one target, in buffers that are made once.

    Modalities are named as the network names them, `rgb` and `tir`. One that does not take part, for want of an image
    or of a template, is zero (the mean colour) in both.
    """

    def __init__(self, spec: ModelSpec, thermal: ThermalNormalizer) -> None:
        self._spec, self._thermal = spec, thermal
        self._templates: dict[str, Float32Array] = {}
        self._template_box = np.zeros(spec.shape("template_box"), np.float32)
        self._no_template = np.zeros(spec.shape("template_rgb"), np.float32)
        self._search = {name: np.zeros(spec.shape(name), np.float32) for name in ("search_rgb", "search_tir")}

    def has_template(self, modality: str) -> bool:
        """Whether the template of `rgb` or `tir` has been cut."""
        return modality in self._templates

    def cut_missing_templates(self, pair: FramePair, box: FloatArray, pair_geometry: PairGeometry) -> None:
        """Cut the templates not cut yet from the images that show `box` `(x, y, w, h)`, in RGB pixels."""
        window = crop_window(box, self._spec.template_factor, self._spec.stretched)
        if not self._templates:
            self._template_box[0] = window.to_fraction(box)
        for modality, image in (("rgb", pair.rgb), ("tir", pair.thermal)):
            if image is None or (modality == "tir" and not pair_geometry.shows(box)):
                continue
            if modality not in self._templates:
                template = np.empty_like(self._no_template)
                self._cut(modality, image, window, pair_geometry, template)
                self._templates[modality] = template

    def for_window(
        self, rgb: Image | None, thermal: Image | None, window: CropWindow, pair_geometry: PairGeometry
    ) -> dict[str, Float32Array]:
        """All inputs for one search window (RGB pixels). The arrays are overwritten by the next call."""
        inputs = {}
        for modality, image in (("rgb", rgb), ("tir", thermal)):
            search = self._search[f"search_{modality}"]
            if image is None:
                search.fill(0.0)
            else:
                self._cut(modality, image, window, pair_geometry, search)
            inputs[f"search_{modality}"] = search
            inputs[f"template_{modality}"] = self._no_template if image is None else self._templates[modality]
        if self._spec.uses_box:
            inputs["template_box"] = self._template_box
        return inputs

    def _cut(
        self, modality: str, image: Image, window: CropWindow, pair_geometry: PairGeometry, out: Float32Array
    ) -> None:
        if modality == "rgb":
            cut_colour(image, window, self._spec.normalisation, out[0], self._spec.border)
        else:
            to_thermal, spec = pair_geometry.around(window), self._spec
            cut_thermal(image, window, to_thermal, self._thermal, spec.normalisation, out[0], spec.border)
