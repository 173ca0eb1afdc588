"""Trackers by name: what `--tracker` takes, as something that can be sent to another process and made there.

| tracker | what it is | settings |
|---|---|---|
| `ckd` | ours | `model`, `modality`, `provider`, `threads`, and the numbers of `TrackerConfig` |
| `csrt`, `kcf` | OpenCV's correlation filters | `modality`, `threads` |
| `nano` | OpenCV's NanoTrack | `models` (needed), `modality`, `threads` |
| `vit` | OpenCV's VitTrack | `model` (needed), `modality`, `threads` |
| `template` | template matching | `modality`, `threads` |
| `program:COMMAND LINE` | any program, see `program.py` | |

`[LABEL=]KIND[:key=value,...]`; docs/trackers.md says more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from ckd_ros.evaluation.provenance import machine
from ckd_ros.evaluation.trackers.ckd import CkdTracker
from ckd_ros.evaluation.trackers.interface import SequenceTracker
from ckd_ros.evaluation.trackers.opencv import NanoTracker, OpenCvKind, VitTracker
from ckd_ros.evaluation.trackers.program import ProgramTracker
from ckd_ros.settings import REQUIRED, read_text, settings_of, suggestion
from ckd_ros.tracking import TrackerConfig

TRACKER_KINDS = {
    "ckd": CkdTracker,
    "csrt": OpenCvKind,
    "kcf": OpenCvKind,
    "nano": NanoTracker,
    "vit": VitTracker,
    "template": OpenCvKind,
    "program": ProgramTracker,
}
_LABEL = re.compile(r"\w[\w.+ -]*")  # it is a folder's name
_TAKEN = {"plots"}  # a folder of the report, beside those of the trackers


class TrackerKind(Protocol):
    """A tracker and its settings, without the label."""

    def label(self) -> str:
        """The label that it gets when none is given."""

    def check(self) -> None:
        """Raise ValueError or FileNotFoundError for what cannot be made on this machine."""

    def make(self) -> SequenceTracker: ...

    def settings(self) -> dict: ...


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker that was asked for: a label, which is its name in tables and of its folder, and what it is.

    `text` is what was asked for, as it stood on the command line.
    """

    label: str
    kind: TrackerKind
    text: str

    def make(self) -> SequenceTracker:
        """The tracker, ready for the `init` of one sequence.

        In a process of its own, for OpenCV's and PyTorch's threads are set for the whole process.
        Raises ValueError or OSError for files that cannot be loaded.
        """
        return self.kind.make()

    def settings(self) -> dict:
        """All that matters for repeating: settings, files with their SHA-256, versions, machine. Fit for JSON."""
        return {"label": self.label, "tracker": self.text, **self.kind.settings(), "machine": machine()}


def parse_tracker(text: str, camera: str | None = None) -> TrackerSpec:
    """The tracker that `[LABEL=]KIND[:key=value,...]` or `[LABEL=]program:COMMAND LINE` names.

    `camera` is the only one (rgb or thermal) whose images there are, None where there are both: trackers of one camera
    look at that one.

    Raises ValueError naming what is not known and what is, also for a tracker of the camera that is not there, and
    FileNotFoundError for a model or program that is missing.
    """
    head, _, rest = text.strip().partition(":")
    label, equals, name = head.rpartition("=")
    name = name.strip().lower()  # OpenCV writes CSRT
    if name not in TRACKER_KINDS:
        hint = suggestion(name, TRACKER_KINDS) or f"expected one of {', '.join(TRACKER_KINDS)}"
        raise ValueError(f"tracker '{text}': '{name}' is unknown: {hint}")
    kind = ProgramTracker(rest.strip()) if name == "program" else _kind(name, rest, camera)
    kind.check()
    label = label.strip() if equals else kind.label()
    if not _LABEL.fullmatch(label) or label.lower() in _TAKEN:
        raise ValueError(
            f"tracker '{text}': '{label}' cannot be its label, a folder's name: give one as LABEL=KIND:..., "
            f"of letters, digits, spaces and . + - _, and not {' or '.join(_TAKEN)}"
        )
    return TrackerSpec(label, kind, text.strip())


def _kind(name: str, text: str, camera: str | None) -> TrackerKind:
    """Settings `key=value,...` as the fields of a kind's dataclass."""
    kind = TRACKER_KINDS[name]
    own = [stated for stated in settings_of(kind).values() if stated.name not in ("name", "config")]
    numbers = settings_of(TrackerConfig) if kind is CkdTracker else {}
    given = read_text(text, [*own, *numbers.values()], f"{name} tracker")
    missing = [stated.name for stated in own if stated.default is REQUIRED and stated.name not in given]
    if missing:
        raise ValueError(f"tracker '{name}' needs its {missing[0]}: give {name}:{missing[0]}=PATH")
    if camera and given.get("modality", camera) not in (camera, "both"):
        raise ValueError(f"tracker '{name}': there are no {given['modality']} images, give it modality={camera}")
    config = {key: given.pop(key) for key in numbers if key in given}
    if kind is CkdTracker:
        return CkdTracker(**given, config=TrackerConfig(**config))
    return kind(name=name, **({"modality": camera} if camera else {}) | given)
