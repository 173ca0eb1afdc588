"""The node's parameter file (`config/tracker.yaml`) read without ROS, for `ckd track --config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ckd_ros.files import text_of
from ckd_ros.ros.parameters import PARAMETERS, RegistrationSettings, of_group, problems, tracker_settings
from ckd_ros.settings import suggestion
from ckd_ros.tracking import Registration, TrackerConfig

#: How the key of a section ends that reaches the node, in whatever namespace, the more special one later.
_SECTIONS = ("**", "*", "tracker")
#: Parameters that ROS itself gives every node.
_OF_ROS = ("use_sim_time", "start_type_description_service", "qos_overrides")


@dataclass(frozen=True)
class NodeSettings:
    """What a parameter file says of a tracker without cameras of ROS.

    Attributes:
        model: the network's name or file; empty: the default.
        providers: those of ONNX Runtime, best first; None: whatever there is.
        cache_dir, threads: see `OnnxEngine`.
        thermal_crop: rows that are taken off thermal images above and below.
        thermal_offset: by how much thermal stamps are ahead of colour stamps of one moment, seconds.
    """

    tracker: TrackerConfig
    registration: Registration
    model: str
    providers: list[str] | None
    cache_dir: str | None
    threads: int | None
    thermal_crop: tuple[int, int]
    thermal_offset: float


def read_node_settings(file: Path | None) -> NodeSettings:
    """What a parameter file says; where it says nothing, or without one, the defaults.

    Raises ValueError that names the file and what is wrong in it: no YAML, no parameters of the tracker, an unknown
    parameter, a value that it does not take, or one that only the node could make use of. So it does where there is
    no such file.
    """
    defaults = {name: stated.default for name, stated in PARAMETERS.items()}
    if file is None:
        return _settings(defaults)
    if not file.is_file():
        raise ValueError(f"there is no parameter file '{file}': give a copy of config/tracker.yaml")
    try:
        given = dict(_parameters(file))
        unknown = [name for name in given if name not in PARAMETERS and not name.startswith(_OF_ROS)]
        if unknown:
            hint = suggestion(unknown[0], PARAMETERS) or "config/tracker.yaml lists all"
            raise ValueError(f"unknown parameter '{unknown[0]}': {hint}")
        values = defaults | {name: value for name, value in given.items() if name in PARAMETERS}
        if faults := problems(values, PARAMETERS):
            raise ValueError(faults[0])
        return _settings(values)
    except ValueError as error:
        raise ValueError(f"parameter file {file}: {error}") from error


def _settings(values: Mapping[str, Any]) -> NodeSettings:
    providers = values["model.providers"]
    return NodeSettings(
        tracker_settings(values),
        _registration(of_group(RegistrationSettings, "registration", values)),
        values["model.path"],
        None if "auto" in providers else list(providers),
        values["model.cache_dir"] or None,
        values["model.threads"] or None,
        tuple(values["thermal.crop"]),
        values["sync.thermal_offset"],
    )


def _registration(settings: RegistrationSettings) -> Registration:
    if settings.type == "calibrated" and settings.extrinsics == "tf":
        raise ValueError("registration.extrinsics is 'tf', which the node alone hears: state rotation and translation")
    for name in ("rgb_intrinsics", "thermal_intrinsics") if settings.type == "calibrated" else ():
        if not any(getattr(settings, name)):
            raise ValueError(f"registration.{name} is left to a camera_info, which the node alone hears: state it")
    return Registration.from_config(settings.as_config())


def _parameters(file: Path) -> Iterator[tuple[str, Any]]:
    """Names and values of the tracker's parameters in a file, those of a more special section later."""
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a parameter file needs the package pyyaml: pip install pyyaml") from error
    from ckd_ros.ros.parameter_files import flat, sections

    try:
        content = yaml.safe_load(text_of(file))
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML: {error}") from error
    by_node = [(key.rpartition("/")[2], below) for key, below in sections(content)]
    own = sorted((one for one in by_node if one[0] in _SECTIONS), key=lambda one: _SECTIONS.index(one[0]))
    if not own:
        raise ValueError("it has no parameters of the tracker: expected '/**:' with 'ros__parameters:' below it")
    for _, below in own:
        yield from flat(below or {})
