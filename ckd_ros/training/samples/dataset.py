"""Training samples: a template and a search region in both modalities, made fresh and directly at crop size.

Several sources are mixed: targets pasted on real or procedural backgrounds and regions of real pairs (`synthetic`),
targets among look-alikes (`identity`, `thermal_images`), single-modality videos and RGB-T sequences (`recorded`). Then
light and sensors change the crops (`augmentation`).
Sample `i` depends on the seed and `i` alone, so that a resumed run has the samples that it would have had. One that
needs a damaged file is drawn again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import cv2
import numpy as np
from torch.utils.data import Dataset

from ckd_ros.datasets.crop_archive import CropArchive
from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.scene import Texture
from ckd_ros.datasets.tar_images import LabelledImages, MaskedImages
from ckd_ros.training.samples.augmentation import augment
from ckd_ros.training.samples.config import SampleConfig
from ckd_ros.training.samples.cropping import Cropper, CropSizes, Sample
from ckd_ros.training.samples.identity import IdentitySource, Scenery
from ckd_ros.training.samples.objects import CropObjects, CutoutObjects
from ckd_ros.training.samples.recorded import SequenceSource, VideoSource
from ckd_ros.training.samples.synthetic import SyntheticSource
from ckd_ros.training.samples.thermal_images import ThermalImageSource
from ckd_ros.training.samples.video_bank import VideoBank

log = logging.getLogger(__name__)

Source = Callable[[np.random.Generator], Sample]
#: Samples in a row that may be of damaged files; more of them: the data are to be repaired.
ATTEMPTS = 20
#: Paths of `SampleConfig` that sources need.
_NEEDED = ("pairs", "crops", "cutouts", "thermal_images", "thermal_videos", "visible_videos", "datasets")


class SampleDataset(Dataset[Sample]):
    """Samples as dicts of arrays.

    `template_rgb` (T,T,3), `template_tir` (T,T), `search_rgb` (S,S,3), `search_tir` (S,S), all uint8;
    `template_box` and `box` (4,) float32: the target `(x, y, w, h)` in fractions of the template and the search crop;
    `present` (2,) bool: whether there is colour, thermal; `positive` bool: the search region holds the target;
    `replaced` int64: how many samples of damaged files this one replaces; `faults`: what was wrong with those files, a
    line each.

    Raises:
        FileNotFoundError, ValueError: for a missing folder or one with nothing to learn from, saying what was expected.
        OSError: for a sample of which `ATTEMPTS` in a row were of damaged files.
    """

    def __init__(self, config: SampleConfig, network: CropSizes, seed: int, length: int):
        self.config, self.seed, self.length = config, seed, length
        cropper = Cropper(config, network)
        pairs = PairLibrary(config.pairs, "train", clips=config.clips) if config.pairs else None
        sources = _sources(config, cropper, SyntheticSource(cropper, pairs, seed))
        weighted = [(name, sources[name], weight) for name, weight in config.weights.items() if name in sources]
        if missing := [name for name, weight in config.weights.items() if weight and name not in sources]:
            log.warning("no samples of %s: what they are made from is not set", ", ".join(missing))
        weighted += [
            (f"{one.kind} in '{one.root}'", SequenceSource(one, cropper).sample, one.weight)
            for one in config.datasets
            if one.weight
        ]
        total = sum(weight for *_, weight in weighted)
        if not total:
            raise ValueError(
                f"no source of samples: the weights are {dict(config.weights)}, but none of the folders that they need "
                f"({', '.join(_NEEDED)}) is set"
            )
        self.sources = [(name, source) for name, source, _ in weighted]
        self.probabilities = np.array([weight / total for *_, weight in weighted])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, index])
        sample = _undamaged(*self.sources[rng.choice(len(self.sources), p=self.probabilities)], rng)
        augment(sample, self.config.augmentation, self.config.dropped, rng)
        sample["template_box"] = np.asarray(sample["template_box"], np.float32)
        sample["box"] = np.asarray(sample["box"], np.float32)
        sample["positive"] = np.bool_(sample["positive"])
        return sample


def _undamaged(name: str, source: Source, rng: np.random.Generator) -> Sample:
    """A sample of a source, drawn until all its files can be read."""
    faults: list[str] = []
    while len(faults) < ATTEMPTS:
        try:
            sample = source(rng)
        except (ValueError, OSError, cv2.error) as error:
            faults.append(" ".join(str(error).split()))
        else:
            return {**sample, "replaced": np.int64(len(faults)), "faults": "\n".join(dict.fromkeys(faults))}
    raise OSError(
        f"{ATTEMPTS} samples in a row of {name} were of damaged files, the last one: {faults[-1]}: too many to go on "
        f"without them, repair or remove them"
    )


def _sources(config: SampleConfig, cropper: Cropper, synthetic: SyntheticSource) -> dict[str, Source]:
    """The sources that have a weight and what they are made from, by name."""
    wanted = {name for name, weight in config.weights.items() if weight}
    found: dict[str, Source] = {"procedural": synthetic.procedural}
    if synthetic.pairs:
        found |= {"pasted": synthetic.pasted, "in_place": synthetic.in_place}
    videos = {"thermal_video": config.thermal_videos, "visible_video": config.visible_videos}
    for name, folder in videos.items():
        if folder and name in wanted:
            bank = VideoBank(folder, name == "thermal_video", config.cache)
            found[name] = VideoSource(bank, cropper).sample
    cutouts = CutoutObjects(MaskedImages(config.cutouts, "train")) if config.cutouts else None
    scenery = Scenery(synthetic.background, _pieces(synthetic, cutouts))
    if cutouts and "cutouts" in wanted:
        found["cutouts"] = IdentitySource(cropper, cutouts, scenery).sample
    if config.crops and "crops" in wanted:
        crops = CropObjects(CropArchive(config.crops, "train"))
        found["crops"] = IdentitySource(cropper, crops, scenery).sample
    if config.thermal_images and "thermal_images" in wanted:
        found["thermal_images"] = ThermalImageSource(LabelledImages(config.thermal_images, "train"), cropper).sample
    return found


def _pieces(synthetic: SyntheticSource, cutouts: CutoutObjects | None) -> Callable[[np.random.Generator], Texture]:
    """What stands before targets: things of all kinds where there are some, and pieces of nothing known."""

    def piece(rng: np.random.Generator) -> Texture:
        return cutouts.target(rng).texture if cutouts and rng.random() < 0.5 else synthetic.piece(rng)

    return piece
