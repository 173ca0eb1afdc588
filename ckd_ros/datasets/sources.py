"""Opens what a user names as a source of frames.

| source | what it is |
|---|---|
| `simulator`, `simulator:seed=3,look_alikes=4` | simulated frames; the settings are those of `SimulatorConfig` |
| a folder with `rgb/` and `tir/` | registered pairs, of which the simulator makes scenes (`simulator:pairs=FOLDER`) |
| a folder with `visible/`, `infrared/` or `v/`, `i/` or `rgb/`, `ir/` | a benchmark's sequence (`folder.py`) |
| `rgb.mp4,thermal.mp4`, `rgb.mp4,`, `,thermal.mp4` | one or two videos; one alone also by its name and a modality |
| a bag (folder, `.mcap`, `.db3`), `BAG?rgb=/TOPIC&thermal=/TOPIC` | a recording of ROS image topics |
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.files import is_stray
from ckd_ros.frames import FramePair
from ckd_ros.settings import check, from_text, setting, suggestion

if TYPE_CHECKING:
    from ckd_ros.datasets.simulator import SimulatedSequence

MODALITIES = ("both", "rgb", "thermal")
BAG_SUFFIXES = {".mcap", ".db3", ".bag"}


@dataclass(frozen=True)
class BagSettings:
    """What may follow `BAG?`. Raises ValueError for values that cannot be."""

    rgb: str | None = setting(None, "topic of the colour images; none: found by type, name and encoding")
    thermal: str | None = setting(None, "topic of the thermal images; none: found by type, name and encoding")
    slop: float | None = setting(
        None, "largest difference of a pair's stamps, seconds; none: half the period of the slower camera", low=0
    )
    thermal_offset: float | None = setting(
        None,
        "by how much stamps of the thermal camera are ahead of the colour camera's at one moment, seconds; none: 0",
    )

    def __post_init__(self) -> None:
        check(self)


def open_source(
    spec: str, rate: float | None = None, modality: str = "both", thermal_offset: float = 0.0
) -> FrameSequence:
    """The sequence that `spec` names (see the module), its stamps stretched to `rate` frames per second if given.

    `modality` "rgb" or "thermal" leaves the other camera's images out; boxes are then in pixels of the one left.
    `thermal_offset` is that of a bag which does not state its own, see `BagSettings`.
    Raises ValueError that says what was expected where, FileNotFoundError for a path that does not exist, and
    ImportError naming the missing package for bags and videos.
    """
    spec = spec.strip()
    if modality not in MODALITIES:
        raise ValueError(f"modality '{modality}' is unknown: expected one of {', '.join(MODALITIES)}")
    if rate is not None and not 0 < rate < 10000:
        raise ValueError(f"a rate of {rate} frames per second is not possible: expected a positive number")
    if spec == "simulator" or spec.startswith("simulator:"):
        return _simulated(spec.partition(":")[2], rate, modality)
    if "," in spec and not Path(spec).exists():
        return _videos(spec, rate, modality)
    read_bag = partial(_bag, rate=rate, modality=modality, thermal_offset=thermal_offset)
    bag, question, query = spec.partition("?")
    if question and not Path(spec).exists():
        return read_bag(Path(bag).expanduser(), query)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _folder(path, rate, modality, read_bag)
    if not path.exists():
        raise FileNotFoundError(f"source '{spec}' does not exist: {_near(path) or f'expected {_EXPECTED}'}")
    if path.suffix.lower() in BAG_SUFFIXES:
        return read_bag(path)
    if modality == "both":
        raise ValueError(
            f"'{spec}' is one video, which has only one modality: choose the modality rgb or thermal, "
            f"or as '{spec},' (colour) or ',{spec}' (thermal)"
        )
    return _videos(f"{spec}," if modality == "rgb" else f",{spec}", rate, modality)


_EXPECTED = (
    "'simulator', a folder of registered pairs (rgb/, tir/), a sequence folder (visible/, infrared/ or v/, i/ or rgb/, "
    "ir/), 'rgb.mp4,thermal.mp4', or a bag"
)


def _near(path: Path) -> str | None:
    """What somebody may have meant who named a source that does not exist."""
    beside = [str(path.with_name(name)) for name in os.listdir(path.parent)] if path.parent.is_dir() else []
    return suggestion(str(path), ["simulator", *beside])


def _folder(path: Path, rate: float | None, modality: str, read_bag: Callable[[Path], FrameSequence]) -> FrameSequence:
    from ckd_ros.datasets.folder import FolderSequence, layout_of

    if layout_of(path):
        return FolderSequence(path, rate, modality)
    if (path / "rgb").is_dir() and (path / "tir").is_dir():
        return _simulated(f"pairs={path}", rate, modality)
    if (path / "metadata.yaml").exists():
        return read_bag(path)
    there = [known for known in path.iterdir() if not is_stray(known.name)]
    recordings = [known for known in there if known.suffix.lower() in BAG_SUFFIXES]
    if len(recordings) == 1:
        return read_bag(recordings[0])
    found = ", ".join(sorted(known.name for known in there)[:8]) or "nothing"
    raise ValueError(
        f"folder '{path}' holds no source: expected rgb/ and tir/ (registered pairs), visible/ and infrared/ or "
        f"v/ and i/ or rgb/ and ir/ (a sequence), or metadata.yaml (a bag), found {found}"
    )


def _videos(spec: str, rate: float | None, modality: str) -> FrameSequence:
    from ckd_ros.datasets.video import VideoSequence

    names = [name.strip() for name in spec.split(",")]
    if len(names) != 2 or not any(names):
        raise ValueError(
            f"'{spec}' is not a pair of videos: expected 'rgb.mp4,thermal.mp4', 'rgb.mp4,' or ',thermal.mp4'"
        )
    rgb, thermal = (Path(name).expanduser() if name else None for name in names)
    if modality == "rgb":
        thermal = None
    elif modality == "thermal":
        rgb = None
    if rgb is None and thermal is None:
        raise ValueError(f"'{spec}' has no {modality} video")
    sequence = VideoSequence(rgb, thermal, rate)
    sequence.inputs = tuple(known for path in (rgb, thermal) if path for known in (path, path.with_suffix(".csv")))
    return sequence


def _bag(path: Path, query: str = "", *, rate: float | None, modality: str, thermal_offset: float) -> FrameSequence:
    if not path.exists():
        raise FileNotFoundError(f"there is no bag '{path}'")
    wanted = from_text(BagSettings, query, "bag", "&")
    offset = thermal_offset if wanted.thermal_offset is None else wanted.thermal_offset
    from ckd_ros.datasets.bag import BagSequence, truth_file

    sequence = BagSequence(path, wanted.rgb, wanted.thermal, rate, modality, wanted.slop, offset)
    truth = truth_file(path)
    sequence.inputs = (path, truth, truth.with_suffix(".txt"))
    return sequence


def _simulated(text: str, rate: float | None, modality: str) -> FrameSequence:
    from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig

    config = from_text(SimulatorConfig, text, "simulator")
    sequence = SimulatedSequence(config if rate is None else replace(config, rate=rate))
    pairs = [] if config.pairs is None else [config.pairs / name for name in ("rgb", "tir")]
    sequence.inputs = (*pairs, *([] if config.crops is None else [config.crops]))
    return sequence if modality == "both" else SingleModality(sequence, modality)


class SingleModality(FrameSequence):
    """A simulated sequence with one camera left out. Moments in which the other lost its image are left out too."""

    def __init__(self, sequence: SimulatedSequence, modality: str) -> None:
        self._sequence, self._rgb, self.modality = sequence, modality == "rgb", modality
        self.inputs, self.notes = sequence.inputs, sequence.notes
        self.name, self.rate = f"{sequence.name}-{modality}", sequence.rate
        self.attributes = sequence.attributes - ({"crossover"} if self._rgb else {"night", "glare", "smoke"})
        # Which images are lost shows only in the frames themselves: look at them where any can be.
        if sequence.config.loss > 0:
            self._kept = np.array([self._has_image(pair) for pair in sequence.frames()])
        else:
            self._kept = np.ones(len(sequence), bool)
        boxes = sequence.boxes if self._rgb else sequence.thermal_boxes
        assert boxes is not None, "a simulated sequence has both truths"
        self.boxes = boxes[self._kept]
        others = sequence.other_boxes if self._rgb else sequence.thermal_other_boxes
        self.other_boxes = None if others is None else others[self._kept]
        self.init_box = self.boxes[0].copy() if np.isfinite(self.boxes[0]).all() else None

    def __len__(self) -> int:
        return int(self._kept.sum())

    def frames(self) -> Iterator[FramePair]:
        for pair in self._sequence.frames():
            if not self._has_image(pair):
                continue
            if self._rgb:
                yield FramePair(pair.rgb, None, pair.stamp, None)
            else:
                yield FramePair(None, pair.thermal, None, pair.thermal_stamp)

    def _has_image(self, pair: FramePair) -> bool:
        return (pair.rgb if self._rgb else pair.thermal) is not None
