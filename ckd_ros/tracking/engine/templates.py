"""Templates that are encoded once for a target, for networks whose branches see the search crop and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from ckd_ros.frames import Float32Array
from ckd_ros.tracking.engine.spec import FEATURES, SEARCHES, TEMPLATE_FEATURES, TEMPLATES

_Pair = tuple[Float32Array, Float32Array]


class TemplateEncoder:
    """What a Siamese network's graph is fed with: features in place of the templates' crops.

    Features are kept as long as the templates stay the same, apart for each set of modalities that take part: a camera
    slower than the other comes and goes with every frame.

    Args:
        session: the network's graph, for crops of any size.
    """

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        shapes = {node.name: node.shape for node in session.get_inputs()}
        self._unknown = {name: np.zeros(shapes[name], np.float32) for name in TEMPLATE_FEATURES}
        self._encoded: dict[tuple[bool, ...], tuple[_Pair, _Pair]] = {}

    def graph_inputs(self, inputs: Mapping[str, Float32Array]) -> dict[str, Float32Array]:
        """Inputs of `Engine.run` as inputs of the graph. A modality whose template or search crop is zero is absent."""
        seen = tuple(bool(inputs[z].any() and inputs[x].any()) for z, x in zip(TEMPLATES, SEARCHES, strict=True))
        templates = inputs[TEMPLATES[0]], inputs[TEMPLATES[1]]
        present = np.array([seen], np.float32)
        known = self._encoded.get(seen)
        if known is None or not all(map(np.array_equal, templates, known[0])):
            crops = dict(zip(SEARCHES, templates, strict=True))
            rgb, tir = self._session.run(FEATURES, {**crops, **self._unknown, "seen": present})
            known = self._encoded[seen] = (templates[0].copy(), templates[1].copy()), (rgb, tir)
        features = dict(zip(TEMPLATE_FEATURES, known[1], strict=True))
        return {**{name: inputs[name] for name in SEARCHES}, **features, "seen": present}
