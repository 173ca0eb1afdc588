"""A folder of registered colour and thermal pairs (`rgb/NAME.*`, `tir/NAME.*`) from which scenes are composed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ckd_ros.colour import to_rgb
from ckd_ros.datasets.images import IMAGE_SUFFIXES, list_images
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.splits import subset_of
from ckd_ros.datasets.textures import silhouette

CLIP_STEP = 7  # consecutive pairs of a clip are nearly the same
_CLIP = (("rgb", "visible"), ("tir", "infrared"))


class PairLibrary:
    """The pairs of a folder, read on first use and kept in memory at `width` pixels across.

    Args:
        folder: holds `rgb/` and `tir/` with files of the same stem, both covering the same field of view.
        subset: `all`, `train` or `held_out` (see `splits.held_out`).
        width: width in pixels at which the pairs are kept.
        clips: a folder of clips of consecutive pairs, `NAME/visible/`, `NAME/infrared/`; every `CLIP_STEP`-th pair is
            one more pair of the library, named `NAME/STEM`.

    Raises:
        FileNotFoundError: if a folder is missing or no pair is found.
        ValueError: for an unknown subset.
    """

    def __init__(self, folder: str | Path, subset: str = "all", width: int = 640, clips: str | Path | None = None):
        folder = Path(folder)
        files = {}
        for modality in ("rgb", "tir"):
            if not (folder / modality).is_dir():
                raise FileNotFoundError(f"no folder '{folder / modality}': registered pairs lie in rgb/ and tir/")
            files[modality] = {f.stem: f for f in (folder / modality).iterdir() if f.suffix.lower() in IMAGE_SUFFIXES}
        self.names = subset_of(files["rgb"].keys() & files["tir"].keys(), subset)
        if not self.names:
            raise FileNotFoundError(f"no {subset} pair of the same name in '{folder}/rgb' and '{folder}/tir'")
        if clips is not None:
            for modality, added in _clip_files(Path(clips), subset).items():
                files[modality] |= added
            self.names += sorted(added)
        self._files, self._width = files, width
        self._cache: dict[int, Texture] = {}

    def __len__(self) -> int:
        return len(self.names)

    def background(self, index: int) -> Texture:
        """The whole pair as a texture. Raises ValueError for an unreadable image."""
        if index not in self._cache:
            name = self.names[index]
            rgb = _read(self._files["rgb"][name], cv2.IMREAD_COLOR)
            thermal = _read(self._files["tir"][name], cv2.IMREAD_GRAYSCALE)
            size = (self._width, round(self._width * rgb.shape[0] / rgb.shape[1]))
            rgb = to_rgb(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), "bgr8")
            shrink = size[0] < thermal.shape[1]
            thermal = cv2.resize(thermal, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
            self._cache[index] = Texture(rgb, thermal)
        return self._cache[index]

    def cutout(self, rng: np.random.Generator) -> Texture:
        """An object-like piece of a random pair: the most structured of a few random regions, cut by a silhouette."""
        source = self.background(int(rng.integers(len(self))))
        rgb, thermal = source.rgb[0], source.thermal[0]
        candidates = []
        for _ in range(4):
            size = np.exp(rng.uniform(np.log(28), np.log(150)))
            aspect = np.exp(rng.normal(0, 0.4))
            w, h = int(np.clip(size * aspect, 16, source.width - 2)), int(np.clip(size / aspect, 16, source.height - 2))
            x, y = int(rng.integers(0, source.width - w)), int(rng.integers(0, source.height - h))
            region = np.s_[y : y + h, x : x + w]
            structure = _deviation(thermal[region]) + 0.5 * _deviation(rgb[region])
            candidates.append((structure, region, w, h))
        _, region, w, h = max(candidates, key=lambda candidate: candidate[0])
        return Texture(rgb[region].copy(), thermal[region].copy(), silhouette(rng, w, h))


def _clip_files(folder: Path, subset: str) -> dict[str, dict[str, Path]]:
    """The files of the clips' pairs by modality and name. Raises FileNotFoundError if there is none."""
    found: dict[str, dict[str, Path]] = {"rgb": {}, "tir": {}}
    for clip in subset_of((f.name for f in folder.iterdir() if f.is_dir()), subset) if folder.is_dir() else ():
        images = {m: {Path(n).stem: folder / clip / d / n for n in list_images(folder / clip / d)} for m, d in _CLIP}
        stems = [stem for stem in images["rgb"] if stem in images["tir"]]
        for stem in stems[::CLIP_STEP]:
            for modality in found:
                found[modality][f"{clip}/{stem}"] = images[modality][stem]
    if not found["rgb"]:
        raise FileNotFoundError(f"no {subset} clip with pairs in NAME/visible/ and NAME/infrared/ in '{folder}'")
    return found


def _deviation(image: np.ndarray) -> float:
    """The standard deviation of all values of all channels, many times faster than NumPy's."""
    means, deviations = cv2.meanStdDev(image)
    return float(np.sqrt((means**2 + deviations**2).mean() - means.mean() ** 2))


def _read(file: Path, flags: int) -> np.ndarray:
    image = cv2.imread(str(file), flags)
    if image is None:
        raise ValueError(f"'{file}' is not a readable image: remove or replace it")
    return image
