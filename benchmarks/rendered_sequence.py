"""Sequences as files of raw images: rendered once, then tracked many times."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.files import replacing
from ckd_ros.frames import FramePair, Image


def render(sequence: FrameSequence, path: Path) -> None:
    """Write a sequence's images, stamps and boxes to one `.npz` file; nothing is compressed.

    Every frame must have both images: one that is missing cannot be stacked with the others.
    """
    frames = list(sequence.frames())
    if any(pair.rgb is None or pair.thermal is None for pair in frames):
        raise ValueError(f"sequence '{sequence.name}' lacks images: withhold them from the tracker, not from the file")
    with replacing(path) as temporary:
        np.savez(
            temporary,
            rgb=np.stack([pair.rgb.data for pair in frames]),
            thermal=np.stack([pair.thermal.data for pair in frames]),
            encodings=np.array([frames[0].rgb.encoding, frames[0].thermal.encoding]),
            stamps=np.array([(pair.stamp, pair.thermal_stamp) for pair in frames]),
            boxes=sequence.boxes,
        )


def load_rendered(path: Path) -> tuple[list[FramePair], np.ndarray]:
    """What `render` wrote: the pairs, and the true boxes `N x 4` in RGB pixels (NaN: not visible)."""
    with np.load(path) as file:
        rgb, thermal, stamps, boxes = file["rgb"], file["thermal"], file["stamps"].tolist(), file["boxes"]
        colour, heat = file["encodings"].tolist()
    pairs = [
        FramePair(Image(a, colour), Image(b, heat), *moment) for a, b, moment in zip(rgb, thermal, stamps, strict=True)
    ]
    return pairs, boxes
