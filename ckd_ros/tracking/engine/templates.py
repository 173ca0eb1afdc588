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

    The features of the newest templates are kept, apart for each set of modalities that take part: a camera slower than
    the other comes and goes with every frame.

    Args:
        session: the network's graph, for crops of any size.
        targets: so many targets' features are kept.
    """

    def __init__(self, session: ort.InferenceSession, targets: int = 1) -> None:
        self._session, self._targets = session, targets
        shapes = {node.name: node.shape for node in session.get_inputs()}
        self._unknown = {name: np.zeros((1, *shapes[name][1:]), np.float32) for name in TEMPLATE_FEATURES}
        self._encoded: dict[tuple[bool, ...], list[tuple[_Pair, _Pair]]] = {}

    def graph_inputs(self, inputs: Mapping[str, Float32Array]) -> dict[str, Float32Array]:
        """Inputs of `Engine.run` as inputs of the graph. A modality whose template or search crop is zero is absent."""
        seen = tuple(bool(inputs[z].any() and inputs[x].any()) for z, x in zip(TEMPLATES, SEARCHES, strict=True))
        templates = inputs[TEMPLATES[0]], inputs[TEMPLATES[1]]
        present = np.array([seen], np.float32)
        known = self._encoded.setdefault(seen, [])
        index = next((i for i, (crops, _) in enumerate(known) if all(map(_same, templates, crops))), None)
        if index is None:
            crops = dict(zip(SEARCHES, templates, strict=True))
            rgb, tir = self._session.run(FEATURES, {**crops, **self._unknown, "seen": present})
            encoded = (templates[0].copy(), templates[1].copy()), (rgb, tir)
        else:
            encoded = known.pop(index)
        known[:] = [encoded, *known][: self._targets]  # the newest first
        features = dict(zip(TEMPLATE_FEATURES, encoded[1], strict=True))
        return {**{name: inputs[name] for name in SEARCHES}, **features, "seen": present}


def _same(one: Float32Array, other: Float32Array) -> bool:
    """Whether two arrays are equal: one row of them first, since most differ there."""
    middle = np.s_[..., one.shape[-2] // 2, :]
    return np.array_equal(one[middle], other[middle]) and np.array_equal(one, other)
