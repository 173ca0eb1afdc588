"""What samples are made of and what happens to them: every chance and strength by name.

Chances and shares run from 0 to 1. "Sides" are the target's geometric mean side `sqrt(w * h)`. A range `[low, high]` is
drawn from evenly. The defaults are what the shipped student learned from; `PAPER` is the augmentation of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ckd_ros.training.settings import build, check_not_negative, check_ranges, check_shares

Range = tuple[float, float]
SOURCES = ("pasted", "procedural", "in_place", "thermal_video", "visible_video")
THERMAL_CROPS = ("rgb", "thermal")


@dataclass(frozen=True)
class AugmentationConfig:
    """What a robot's cameras do to the crops, in both modalities.

    Attributes:
        flip: chance that all four crops are mirrored.
        registration: standard deviation of the search region's thermal offset, in sides.
        time_jitter: chance that the search region's thermal image is of another moment.
        time_frames: how many frames apart the two moments may be in a recorded sequence.
        time_motion, time_camera: how far, in sides, a composed target and the camera move between the two moments.
        grey: chance that colour is lost.
        brightness, channel_gain: standard deviations of log brightness (every crop its own) and colour cast.
        channel_offset: standard deviation of the channels' levels, in grey levels.
        brightness_range: the paper's jitter: brightness of every crop, of both modalities, evenly within 1 +- this.
        night, glare, noise: chances of darkness, of a blinding light (search region only) and of sensor noise in
            colour; at most one of them happens.
        night_strength, glare_strength, noise_strength: strength of each, see `datasets.degradations`.
        lasting: chance that darkness or noise covers the template too, not the search region alone.
        inverted: chance of black-hot instead of white-hot.
        contrast, level: standard deviations of the thermal log gain and level (grey levels).
        contrast_change, level_change: the same between template and search region.
        thermal_noise, thermal_noise_strength: chance and strength of thermal sensor noise.
        blur: chance of motion blur in the search region, of each modality by itself.
        blur_length: length of the blur in pixels of the crop.
    """

    flip: float = 0.5
    registration: float = 0.02
    time_jitter: float = 0.0
    time_frames: int = 2
    time_motion: float = 0.12
    time_camera: float = 0.06
    grey: float = 0.05
    brightness: float = 0.2
    channel_gain: float = 0.1
    channel_offset: float = 6.0
    brightness_range: float = 0.0
    night: float = 0.25
    glare: float = 0.18
    noise: float = 0.1
    night_strength: Range = (0.4, 1.0)
    glare_strength: Range = (0.3, 1.0)
    noise_strength: Range = (0.1, 1.0)
    lasting: float = 0.65
    inverted: float = 0.15
    contrast: float = 0.25
    level: float = 18.0
    contrast_change: float = 0.1
    level_change: float = 6.0
    thermal_noise: float = 0.15
    thermal_noise_strength: Range = (0.1, 0.8)
    blur: float = 0.1
    blur_length: Range = (2.0, 7.0)

    def __post_init__(self) -> None:
        check_shares(self, "flip", "time_jitter", "grey", "brightness_range", "night", "glare", "noise", "lasting",
                     "inverted", "thermal_noise", "blur")  # fmt: skip
        check_not_negative(self, "registration", "time_frames", "time_motion", "time_camera", "brightness",
                           "channel_gain", "channel_offset", "contrast", "level", "contrast_change",
                           "level_change")  # fmt: skip
        check_ranges(self, "night_strength", "glare_strength", "noise_strength", "thermal_noise_strength",
                     "blur_length")  # fmt: skip
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
AUGMENTATIONS = {"robot": AugmentationConfig(), "paper": PAPER}


@dataclass(frozen=True)
class ComposingConfig:
    """Scenes made from pairs and from nothing.

    Attributes:
        target_size: range of the target's side in pixels of the background (evenly in the logarithm).
        real_objects, real_objects_procedural: share of objects cut from real pairs on a real and on a procedural
            background; the others are procedural.
        moved: chance that the target has moved since the template, by `motion` sides (standard deviation per axis).
        grow, squeeze: standard deviations of the logs of the target's growth and change of shape.
        turn: standard deviation of its turn, rad; `tilt` of its first angle.
        parallax: standard deviation of the target's displacement in thermal, in sides.
        crossover: chance of a target as warm as its surroundings; its thermal contrast is then within
            `crossover_contrast`, else within `warmth_contrast`.
        crossover_later: chance that the template is still from before the crossover.
        warmth_level: standard deviation of a target's warmth in grey levels.
        distractors: highest number of other objects; `look_alike` is the share of those that look like the target.
        occluder: chance that another object covers `cover` of the target from one side.
        region_size: range of the side of a region of a real pair that is followed in place, in pixels.
        region_aspect, region_stretch: standard deviations of the logs of its shape and of its change.
    """

    target_size: Range = (14.0, 110.0)
    real_objects: float = 0.7
    real_objects_procedural: float = 0.3
    moved: float = 0.7
    motion: float = 0.8
    grow: float = 0.18
    squeeze: float = 0.1
    turn: float = 0.12
    tilt: float = 0.15
    parallax: float = 0.04
    crossover: float = 0.2
    crossover_contrast: Range = (0.02, 0.35)
    crossover_later: float = 0.5
    warmth_contrast: Range = (0.7, 1.3)
    warmth_level: float = 8.0
    distractors: int = 3
    look_alike: float = 0.2
    occluder: float = 0.25
    cover: Range = (0.15, 0.5)
    region_size: Range = (20.0, 120.0)
    region_aspect: float = 0.35
    region_stretch: float = 0.12

    def __post_init__(self) -> None:
        check_shares(self, "real_objects", "real_objects_procedural", "moved", "crossover", "crossover_later",
                     "look_alike", "occluder")  # fmt: skip
        check_not_negative(self, "motion", "grow", "squeeze", "turn", "tilt", "parallax", "warmth_level", "distractors",
                           "region_aspect", "region_stretch")  # fmt: skip
        check_ranges(self, "target_size", "crossover_contrast", "warmth_contrast", "cover", "region_size")
        for name in ("target_size", "region_size"):
            if not getattr(self, name)[0] > 0:
                raise ValueError(f"ComposingConfig: {name} is {getattr(self, name)}, expected sizes above 0")


@dataclass(frozen=True)
class DataSetConfig:
    """One data set of RGB-T sequences to learn from.

    Attributes:
        kind: which benchmark it is, see `ckd_ros.datasets.benchmarks`.
        root: its folder.
        split: which of its sequences; None: those to train on where the data set has such a split, else all.
        weight: its share, on the scale of `SampleConfig.weights`.
        causal: the template is from before the search region, as when tracking; else from either side.
        max_gap: frames between the two, at most.
        thermal_crop: `rgb`: cut where the colour crop is, as the tracker does; `thermal`: at the thermal truth, as if
            the two images were registered exactly.
    """

    kind: str
    root: Path
    split: str | None = None
    weight: float = 1.0
    causal: bool = True
    max_gap: int = 200
    thermal_crop: str = "rgb"

    def __post_init__(self) -> None:
        check_not_negative(self, "weight")
        if self.kind == "videos":
            raise ValueError(f"'{self.root}': videos of one modality belong to thermal_videos or visible_videos")
        if self.max_gap < 1:
            raise ValueError(f"data set '{self.root}': max_gap is {self.max_gap}, expected at least 1 frame")
        if self.thermal_crop not in THERMAL_CROPS:
            raise ValueError(
                f"data set '{self.root}': thermal_crop '{self.thermal_crop}' is unknown, "
                f"expected one of {', '.join(THERMAL_CROPS)}"
            )


@dataclass(frozen=True)
class SampleConfig:
    """What samples are made of; paths may be None, then that source is left out.

    Attributes:
        pairs: folder of registered pairs (`rgb/`, `tir/`).
        thermal_videos, visible_videos: folders of labelled single-modality videos.
        datasets: RGB-T sequences.
        cache: where windows cut from the videos are kept.
        weights: relative share of the sources `pasted`, `procedural`, `in_place`, `thermal_video`, `visible_video`
            (each data set has its own weight); a source that is not named is left out.
        centre_jitter: the search centre is off the target by at most half of this, in sides, along each axis.
        narrow, narrow_jitter: share of search regions that are off by `narrow_jitter` of that at most.
        scale_jitter: standard deviation of the log of the search region's scale.
        negatives: share of search regions without the target (of composed samples, videos and sequences).
        dropped: chance of each modality to be absent.
        video_gap: frames of a single-modality video between template and search region, at most.
    """

    pairs: Path | None = None
    thermal_videos: Path | None = None
    visible_videos: Path | None = None
    datasets: tuple[DataSetConfig, ...] = ()
    cache: Path = Path("runs/cache")
    weights: dict[str, float] = field(
        default_factory=lambda: {
            "pasted": 0.34,
            "procedural": 0.2,
            "in_place": 0.16,
            "thermal_video": 0.15,
            "visible_video": 0.15,
        }
    )
    centre_jitter: float = 2.4
    narrow: float = 0.5
    narrow_jitter: float = 0.35
    scale_jitter: float = 0.22
    negatives: float = 0.05
    dropped: float = 0.05
    video_gap: int = 200
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    composing: ComposingConfig = field(default_factory=ComposingConfig)

    def __post_init__(self) -> None:
        check_shares(self, "narrow", "narrow_jitter", "negatives")
        check_not_negative(self, "centre_jitter", "scale_jitter", "video_gap")
        if not 0 <= self.dropped <= 0.5:
            raise ValueError(f"dropped is {self.dropped}: expected 0 to 0.5, since one modality must remain")
        unknown = sorted(set(self.weights) - set(SOURCES))
        if unknown:
            raise ValueError(f"unknown sample source(s) {unknown} in weights, expected {', '.join(SOURCES)}")
        if any(not weight >= 0 for weight in self.weights.values()):
            raise ValueError(f"weights must not be negative: {self.weights}")


def read_sample_config(values: Mapping[str, Any], data: str | Path | None = None) -> SampleConfig:
    """`SampleConfig` from the `samples` of a training file; relative data paths are taken from the folder `data`.

    `augmentation` is a name (`robot`, `paper`) or settings; `datasets` is a list of `DataSetConfig` settings.
    Raises FileNotFoundError for a missing folder, ValueError for an unknown or impossible setting.
    """
    values = dict(values)

    def folder(name: str, path: str) -> Path:
        found = Path(data or ".") / path
        if not found.is_dir():
            raise FileNotFoundError(f"{name}: no folder '{found}' (give the data folder with --data)")
        return found

    for name in ("pairs", "thermal_videos", "visible_videos"):
        if values.get(name):
            values[name] = folder(name, values[name])
    if "cache" in values:
        values["cache"] = Path(values["cache"])
    if "composing" in values:
        values["composing"] = build(ComposingConfig, values["composing"])
    augmentation = values.get("augmentation", {})
    if isinstance(augmentation, str):
        if augmentation not in AUGMENTATIONS:
            raise ValueError(f"augmentation '{augmentation}' is unknown: expected {' or '.join(AUGMENTATIONS)}")
        values["augmentation"] = AUGMENTATIONS[augmentation]
    else:
        values["augmentation"] = build(AugmentationConfig, augmentation)
    if not isinstance(values.get("datasets", []), list):
        raise ValueError(f"datasets is {values['datasets']!r}, expected a list of 'kind: ..., root: ...'")
    sets = [build(DataSetConfig, entry) for entry in values.get("datasets", ())]
    values["datasets"] = [build(DataSetConfig, {**vars(s), "root": folder(s.kind, s.root)}) for s in sets]
    return build(SampleConfig, values)


def sample_record(config: SampleConfig) -> dict[str, Any]:
    """The settings as plain values for a weights' training record; folders by name only."""
    return _plain(asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Path) else value
