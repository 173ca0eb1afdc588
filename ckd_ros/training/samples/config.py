"""What samples are made of and what happens to them: every chance and strength by name.

Chances and shares run from 0 to 1. "Sides" are the target's geometric mean side `sqrt(w * h)`. A range `[low, high]` is
drawn from evenly. The defaults are what the shipped student learned from; `PAPER` is the augmentation of the paper,
`FIELD` one for cameras that fail: smoke, darkness, a camera that is black, frozen, out of focus or out of place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ckd_ros.settings import REQUIRED, Above, Range, build, check, setting

SOURCES = (
    "pasted", "procedural", "in_place", "thermal_video", "visible_video", "crops", "cutouts", "thermal_images",
)  # fmt: skip
THERMAL_CROPS = ("rgb", "thermal")
_FOLDERS, _ARCHIVES = ("pairs", "clips", "thermal_videos", "visible_videos"), ("crops", "cutouts", "thermal_images")


@dataclass(frozen=True)
class AugmentationConfig:
    """What a robot's cameras do to the crops, in both modalities. Raises ValueError for impossible values.

    At most one of darkness, glare and noise happens to a sample. Strengths are those of `datasets.degradations`.
    At most one camera of a sample is useless: black, frozen or behind smoke.
    """

    flip: float = setting(0.5, "chance that all four crops are mirrored", 0, 1)
    registration: float = setting(0.02, "standard deviation of the search region's thermal offset, in sides", low=0)
    template_registration: float = setting(0.0, "the same of the template, by itself", low=0)
    time_jitter: float = setting(0.0, "chance that the search region's thermal image is of another moment", 0, 1)
    time_frames: int = setting(2, "how many frames apart the two moments may be in a recorded sequence", low=0)
    time_motion: float = setting(0.12, "how far a composed target moves between the two moments, in sides", low=0)
    time_camera: float = setting(0.06, "how far the camera moves between the two moments, in sides", low=0)
    grey: float = setting(0.05, "chance that colour is lost", 0, 1)
    brightness: float = setting(0.2, "standard deviation of the log brightness, of every crop by itself", low=0)
    channel_gain: float = setting(0.1, "standard deviation of the log gain of each colour channel", low=0)
    channel_offset: float = setting(6.0, "standard deviation of the channels' levels, in grey levels", low=0)
    brightness_range: float = setting(
        0.0, "the paper's jitter: brightness of every crop, of both modalities, evenly within 1 +- this", 0, 1
    )
    night: float = setting(0.25, "chance of darkness in colour", 0, 1)
    glare: float = setting(0.18, "chance of a blinding light in colour, in the search region only", 0, 1)
    noise: float = setting(0.1, "chance of sensor noise in colour", 0, 1)
    night_strength: Range = setting((0.4, 1.0), "strength of darkness", 0, 1)
    glare_strength: Range = setting((0.3, 1.0), "strength of the blinding light", 0, 1)
    noise_strength: Range = setting((0.1, 1.0), "strength of the noise in colour", 0, 1)
    lasting: float = setting(
        0.65, "chance that darkness or noise covers the template too, not the search region alone", 0, 1
    )
    inverted: float = setting(0.15, "chance of black-hot instead of white-hot", 0, 1)
    contrast: float = setting(0.25, "standard deviation of the thermal log gain", low=0)
    level: float = setting(18.0, "standard deviation of the thermal level, in grey levels", low=0)
    contrast_change: float = setting(0.1, "the same of the gain between template and search region", low=0)
    level_change: float = setting(6.0, "the same of the level between template and search region", low=0)
    thermal_noise: float = setting(0.15, "chance of thermal sensor noise", 0, 1)
    thermal_noise_strength: Range = setting((0.1, 0.8), "strength of the thermal noise", 0, 1)
    blur: float = setting(0.1, "chance of motion blur in the search region, of each modality by itself", 0, 1)
    blur_length: Range = setting((2.0, 7.0), "length of the blur in pixels of the crop", low=0)
    small: float = setting(
        0.0, "chance of a target that has few pixels in the cameras' images, so that crops are soft", 0, 1
    )
    small_side: Range = setting((12.0, 45.0), "its side there, in pixels", low=Above(0))
    small_thermal: Range = setting((0.5, 1.0), "resolution of the thermal camera over that of colour, for such", 0.1, 2)
    smoke: float = setting(0.0, "chance of smoke or fog before the colour camera", 0, 1)
    smoke_strength: Range = setting((0.2, 1.0), "strength of the smoke: from haze to a wall", 0, 1)
    smoke_lasting: float = setting(0.35, "chance that smoke covers the template too, not the search region alone", 0, 1)
    thermal_blur: float = setting(0.0, "chance of a thermal image out of focus, in both crops", 0, 1)
    thermal_blur_size: Range = setting((0.5, 4.0), "standard deviation of that in pixels of the crop", low=0)
    ghost: float = setting(0.0, "chance of a faint second copy of the thermal search region, shifted", 0, 1)
    ghost_strength: Range = setting((0.15, 0.5), "share of that copy", 0, 1)
    ghost_shift: float = setting(0.3, "how far it is shifted, in sides (standard deviation per axis)", low=0)
    black: float = setting(0.0, "chance that one camera's search region is black although the camera answers", 0, 1)
    black_lasting: float = setting(0.2, "chance that its template is black too", 0, 1)
    frozen: float = setting(0.0, "chance that one camera still shows an old search region (composed scenes)", 0, 1)
    frozen_motion: Range = setting((0.7, 4.0), "how far all objects have moved since then, in sides", low=0)

    def __post_init__(self) -> None:
        check(self)
        if self.night + self.glare + self.noise > 1:
            raise ValueError(
                f"night {self.night}, glare {self.glare} and noise {self.noise} exclude each other: "
                f"their sum must not be above 1"
            )


PAPER = AugmentationConfig(
    registration=0.0, brightness=0.0, channel_gain=0.0, channel_offset=0.0, brightness_range=0.2, night=0.0, glare=0.0,
    noise=0.0, inverted=0.0, contrast=0.0, level=0.0, contrast_change=0.0, level_change=0.0, thermal_noise=0.0,
    blur=0.0,
)  # fmt: skip
FIELD = AugmentationConfig(
    registration=0.07, template_registration=0.04, time_jitter=0.15, night=0.22, thermal_noise=0.2,
    thermal_noise_strength=(0.1, 1.0), contrast=0.35, contrast_change=0.18, level_change=12.0, blur=0.15, small=0.4,
    smoke=0.25, thermal_blur=0.2, ghost=0.08, black=0.05, frozen=0.04,
)  # fmt: skip
AUGMENTATIONS = {"robot": AugmentationConfig(), "paper": PAPER, "field": FIELD}


@dataclass(frozen=True)
class ComposingConfig:
    """Scenes made from pairs and from nothing. Raises ValueError for impossible values.

    Objects are cut from real pairs or procedural. A target whose warmth crosses that of its surroundings has a thermal
    contrast within `crossover_contrast`, any other within `warmth_contrast`.
    """

    target_size: Range = setting(
        (14.0, 110.0), "the target's side in pixels of the background, evenly in the logarithm", low=Above(0)
    )
    real_objects: float = setting(0.7, "share of objects cut from real pairs on a real background", 0, 1)
    real_objects_procedural: float = setting(0.3, "the same on a procedural background", 0, 1)
    moved: float = setting(0.7, "chance that the target has moved since the template", 0, 1)
    motion: float = setting(0.8, "how far it has moved, in sides (standard deviation per axis)", low=0)
    grow: float = setting(0.18, "standard deviation of the log of the target's growth", low=0)
    squeeze: float = setting(0.1, "standard deviation of the log of its change of shape", low=0)
    turn: float = setting(0.12, "standard deviation of its turn, rad", low=0)
    tilt: float = setting(0.15, "standard deviation of its first angle, rad", low=0)
    parallax: float = setting(0.04, "standard deviation of its displacement in thermal, in sides", low=0)
    crossover: float = setting(0.2, "chance of a target as warm as its surroundings", 0, 1)
    crossover_contrast: Range = setting((0.02, 0.35), "thermal contrast of such a target")
    crossover_later: float = setting(0.5, "chance that the template is still from before the crossover", 0, 1)
    warmth_contrast: Range = setting((0.7, 1.3), "thermal contrast of any other target")
    warmth_level: float = setting(8.0, "standard deviation of a target's warmth in grey levels", low=0)
    distractors: int = setting(3, "highest number of other objects", low=0)
    look_alike: float = setting(0.2, "share of them that look like the target", 0, 1)
    occluder: float = setting(0.25, "chance that another object covers part of the target, from one side", 0, 1)
    cover: Range = setting((0.15, 0.5), "the part that it covers", 0, 1)
    region_size: Range = setting(
        (20.0, 120.0), "side of a region of a real pair that is followed in place, in pixels", low=Above(0)
    )
    region_aspect: float = setting(0.35, "standard deviation of the log of the region's shape", low=0)
    region_stretch: float = setting(0.12, "standard deviation of the log of its change of shape", low=0)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class IdentityConfig:
    """Targets among look-alikes: which one it is can only be told by looking. Raises ValueError for impossible values.

    Of the sources `crops`, `cutouts` and, where it fits, `thermal_images`. A target's growth, turn and warmth are those
    of `ComposingConfig`.
    """

    look_alikes: int = setting(5, "highest number of others of the target's class around it", low=0)
    copies: float = setting(0.25, "share of them that are the target itself in another colour and warmth", 0, 1)
    proportions: float = setting(0.12, "standard deviation of the log of a look-alike's size and of its shape", low=0)
    in_template: float = setting(0.5, "chance of each to stand in the template's surroundings too", 0, 1)
    front: float = setting(0.4, "chance that something passes in front of the target, from one side", 0, 1)
    front_alike: float = setting(0.6, "share of those that are look-alikes; others are of any kind and size", 0, 1)
    cover: Range = setting((0.1, 1.1), "the part of the target's side that it covers, 1 and above: all", low=0)
    least_visible: float = setting(0.3, "a target of which less is visible counts as not there", 0, 1)
    absent: float = setting(0.15, "share of search regions without the target, but with look-alikes", 0, 1)
    elsewhere: float = setting(0.3, "chance that the search region is in another place than the template", 0, 1)
    size_spread: float = setting(
        0.3, "standard deviation of the log of an object's size, beside that in its image", low=0
    )
    gait: float = setting(0.03, "how far parts of the target move meanwhile, in its sides (standard deviation)", low=0)
    light: float = setting(
        0.15, "standard deviation of the log of its own brightness meanwhile, and so its warmth", low=0
    )
    mirrored: float = setting(0.12, "chance that the target has turned round, shown by its mirror image", 0, 1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class DataSetConfig:
    """One data set of RGB-T sequences to learn from. Raises ValueError for impossible values."""

    kind: str = setting(REQUIRED, "which benchmark it is, see `ckd_ros.datasets.benchmarks`")
    root: Path = setting(REQUIRED, "its folder")
    split: str | None = setting(
        None, "which of its sequences; none: those to train on where the data set has such a split, else all"
    )
    weight: float = setting(1.0, "its share, on the scale of `SampleConfig.weights`", low=0)
    causal: bool = setting(
        True, "the template is from before the search region, as when tracking; else from either side"
    )
    max_gap: int = setting(200, "frames between the two, at most", low=1)
    thermal_crop: str = setting(
        "rgb",
        "rgb: cut where the colour crop is, as the tracker does; thermal: at the thermal truth, as if the two images "
        "were registered exactly",
        choices=THERMAL_CROPS,
    )

    def __post_init__(self) -> None:
        check(self)
        if self.kind == "videos":
            raise ValueError(f"'{self.root}': videos of one modality belong to thermal_videos or visible_videos")


@dataclass(frozen=True)
class SampleConfig:
    """What samples are made of; a source without a path is left out. Raises ValueError for impossible values."""

    pairs: Path | None = setting(None, "folder of registered pairs (`rgb/`, `tir/`)")
    thermal_videos: Path | None = setting(None, "folder of labelled thermal videos")
    visible_videos: Path | None = setting(None, "folder of labelled colour videos")
    clips: Path | None = setting(
        None, "folder of registered clips (`NAME/visible/`, `NAME/infrared/`): more backgrounds beside those of `pairs`"
    )
    crops: Path | None = setting(None, "tar archive of registered crops of objects, see `datasets.crop_archive`")
    cutouts: Path | None = setting(
        None, "tar archive of colour objects with masks, see `datasets.tar_images`; also to stand before `crops`"
    )
    thermal_images: Path | None = setting(None, "tar archive of labelled thermal images, see `datasets.tar_images`")
    datasets: tuple[DataSetConfig, ...] = setting((), "RGB-T sequences, each data set with a weight of its own")
    cache: Path = setting(Path("runs/cache"), "where windows cut from the videos are kept")
    weights: dict[str, float] = setting(
        {"pasted": 0.34, "procedural": 0.2, "in_place": 0.16, "thermal_video": 0.15, "visible_video": 0.15},
        "relative share of each source; one that is not named is left out",
        low=0,
        choices=SOURCES,
    )
    centre_jitter: float = setting(
        2.4, "the search centre is off the target by at most half of this, in sides, along each axis", low=0
    )
    narrow: float = setting(0.5, "share of search regions that are off by less", 0, 1)
    narrow_jitter: float = setting(0.35, "how far those are off at most, as a share of `centre_jitter`", 0, 1)
    scale_jitter: float = setting(0.22, "standard deviation of the log of the search region's scale", low=0)
    negatives: float = setting(
        0.05, "share of search regions without the target (of composed samples, videos and sequences)", 0, 1
    )
    dropped: float = setting(0.05, "chance of each modality to be absent; one must remain", 0, 0.5)
    video_gap: int = setting(
        200, "frames of a single-modality video between template and search region, at most", low=0
    )
    augmentation: AugmentationConfig = setting(
        AUGMENTATIONS["robot"], "what the cameras do; also robot, paper or field"
    )
    composing: ComposingConfig = setting(ComposingConfig(), "scenes made from pairs and from nothing")
    identity: IdentityConfig = setting(IdentityConfig(), "targets among look-alikes")

    def __post_init__(self) -> None:
        check(self)

    def data_paths(self) -> dict[str, Path]:
        """The folders and archives that are set, by the names of their settings; `datasets` have their own."""
        return {name: path for name in (*_FOLDERS, *_ARCHIVES) if (path := getattr(self, name)) is not None}


def read_sample_config(values: Mapping[str, Any], data: str | Path | None = None) -> SampleConfig:
    """`SampleConfig` from the `samples` of a training file; relative data paths are taken from the folder `data`.

    `augmentation` is a name (`robot`, `paper`, `field`) or settings; `datasets` is a list of `DataSetConfig` settings.
    Raises FileNotFoundError for a missing folder, ValueError for an unknown or impossible setting.
    """
    if isinstance(values, Mapping) and isinstance(named := values.get("augmentation"), str):
        if named not in AUGMENTATIONS:
            raise ValueError(f"augmentation '{named}' is unknown: expected one of {', '.join(AUGMENTATIONS)}")
        values = {**values, "augmentation": AUGMENTATIONS[named]}
    config = build(SampleConfig, values)
    paths: dict[str, Any] = {
        name: _data_path(name, path, data, name in _FOLDERS) for name, path in config.data_paths().items()
    }
    datasets = tuple(replace(one, root=data_folder(one.kind, one.root, data)) for one in config.datasets)
    return replace(config, datasets=datasets, **paths)


def data_folder(name: str, path: Path, data: str | Path | None) -> Path:
    """A data path, taken from the folder `data` if it is relative. Raises FileNotFoundError for a missing folder."""
    return _data_path(name, path, data, is_folder=True)


def _data_path(name: str, path: Path, data: str | Path | None, is_folder: bool) -> Path:
    found = Path(data or ".") / path
    if not (found.is_dir() if is_folder else found.is_file()):
        what = "folder" if is_folder else "file"
        raise FileNotFoundError(f"{name}: no {what} '{found}' (give the data folder with --data)")
    return found


def plain(value: Any) -> Any:
    """Settings as a weights' training record has them: lists for tuples; folders and files by name only."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value.name if isinstance(value, Path) else value
