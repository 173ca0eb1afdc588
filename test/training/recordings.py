"""Small recordings as files: a bright square that moves over a dark, textured ground."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIDE = 16


def write_sequence(folder: Path, frames: int = 12, hidden=(), thermal_offset: int = 0, step: int = 4) -> Path:
    """A sequence in LasHeR's layout; the square stands at `x = 20 + step * t, y = 40` (thermal: `thermal_offset` more).

    Its colour tells the frame: blue is `200`, red `5 * t`; it is `250` in thermal. In frames of `hidden` the box is 0.
    """
    truth = {"visible": [], "infrared": []}
    for name, offset in (("visible", 0), ("infrared", thermal_offset)):
        (folder / name).mkdir(parents=True)
        for t in range(frames):
            image = np.full((120, 160, 3), 60, np.uint8)
            x = 20 + step * t + offset
            image[40 : 40 + SIDE, x : x + SIDE] = (200, 200, 5 * t) if name == "visible" else 250
            cv2.imwrite(str(folder / name / f"{t:06d}.png"), image)
            truth[name].append("0,0,0,0" if t in hidden else f"{x},40,{SIDE},{SIDE}")
        (folder / f"{name}.txt").write_text("\n".join(truth[name]) + "\n")
    (folder / "init.txt").write_text(truth["visible"][0] + "\n")
    return folder
