"""The parameters of the nodes, stated once: declared, described, checked and explained from these tables.

The settings of the tracker and of the thermal normalisation come from their own dataclasses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ckd_ros.tracking import ConfidenceConfig, ThermalConfig, TrackerConfig

Value = bool | int | float | str | list


class ParameterError(ValueError):
    """A value that a parameter does not take; the message names the parameter and what it takes."""


@dataclass(frozen=True)
class Parameter:
    """One parameter. Its type is that of `default`.

    Attributes:
        low, high: range of a number, or of each of a list's numbers.
        choices: what a string (or each of a list's strings) may be; empty: anything.
        lengths: how many entries a list may have; empty: any number.
        read_only: a change needs a restart of the node.
    """

    name: str
    default: Value
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    lengths: tuple[int, ...] = ()
    read_only: bool = False

    def check(self, value: object) -> None:
        """Raise ParameterError for a value that the parameter does not take."""
        if not self._fits(value):
            raise ParameterError(f"parameter '{self.name}' is {value!r}: it must be {self.allowed()}")

    def allowed(self) -> str:
        """What the parameter takes, for a person."""
        if isinstance(self.default, list):
            counts = " or ".join(map(str, self.lengths))
            text = f"a list of {counts}{' ' if counts else ''}{_KINDS[type(self.default[0])][1]}"
        else:
            text = _KINDS[type(self.default)][0]
        if self.choices:
            text += f", {' | '.join(self.choices)}"
        if self.low is not None:
            text += f" from {self.low:g} to {self.high:g}"
        return text

    def _fits(self, value: object) -> bool:
        if not isinstance(self.default, list):
            return self._fits_one(value, type(self.default))
        # rclpy hands arrays over as lists or as array.array
        entries = None if isinstance(value, (str, bytes)) or not hasattr(value, "__len__") else list(value)
        if entries is None or (self.lengths and len(entries) not in self.lengths):
            return False
        return all(self._fits_one(entry, type(self.default[0])) for entry in entries)

    def _fits_one(self, value: object, kind: type) -> bool:
        if type(value) is not kind:
            return False
        if kind is float and not math.isfinite(value):
            return False
        if self.choices and value not in self.choices:
            return False
        return self.low is None or self.low <= value <= self.high


_KINDS = {
    bool: ("true or false", "truth values"),
    int: ("a whole number", "whole numbers"),
    float: ("a number with a decimal point", "numbers with a decimal point"),
    str: ("a string", "strings"),
}


def _of_dataclass(group: str, settings: type) -> list[Parameter]:
    """A parameter for each `setting` of a configuration of the tracking room."""
    return [
        Parameter(f"{group}.{item.name}", item.default, item.metadata["description"], *item.metadata["range"])
        for item in fields(settings)
        if "range" in item.metadata
    ]


_UNIT = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
_FAR = 1e6

_TABLE = [
    Parameter(
        "autostart", True, "configure and activate at start; false: wait for a lifecycle manager", read_only=True
    ),
    Parameter("model.path", "", "the .onnx file of the network; empty: the shipped student", read_only=True),
    Parameter(
        "model.providers",
        ["auto"],
        "ONNX Runtime's execution providers, best first; auto: tensorrt, cuda, cpu",
        choices=("auto", "tensorrt", "cuda", "cpu"),
        read_only=True,
    ),
    Parameter("model.cache_dir", "", "where TensorRT keeps built engines; empty: the user's cache", read_only=True),
    Parameter("model.threads", 0, "CPU threads of the network; 0: as the machine suggests", 0, 256, read_only=True),
    Parameter(
        "image_transport",
        "raw",
        "raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage on TOPIC/compressed",
        choices=("raw", "compressed"),
        read_only=True,
    ),
    Parameter(
        "qos.reliability",
        "best_effort",
        "of the image subscriptions; best_effort receives from every publisher, reliable from reliable ones only",
        choices=("best_effort", "reliable"),
        read_only=True,
    ),
    Parameter("qos.depth", 1, "queue of the image subscriptions; more than 1 adds delay", 1, 100, read_only=True),
    Parameter(
        "sync.policy",
        "latest",
        "latest: the node's own pairing; approximate: message_filters' ApproximateTimeSynchronizer",
        choices=("latest", "approximate"),
        read_only=True,
    ),
    Parameter("sync.slop", 0.05, "largest difference of the stamps of a pair, seconds", 0.0, 10.0),
    Parameter("sync.timeout", 0.5, "time without a pair after which one image is used alone, seconds", 0.05, 60.0),
    Parameter("sync.history", 2.0, "how far back init_target may start, seconds; costs memory", 0.0, 60.0),
    Parameter(
        "registration.type",
        "none",
        "how colour pixels map to thermal pixels; none: both images show the same view",
        choices=("none", "offset", "affine", "homography", "calibrated"),
    ),
    Parameter("registration.offset", [0.0, 0.0], "offset: dx, dy in thermal pixels", -_FAR, _FAR, lengths=(2,)),
    Parameter(
        "registration.matrix",
        _UNIT,
        "affine (6 numbers) or homography (9), row by row, colour pixels to thermal pixels",
        -_FAR,
        _FAR,
        lengths=(6, 9),
    ),
    Parameter(
        "registration.rgb_size",
        [0, 0],
        "width, height of the colour images that offset, matrix or intrinsics hold for; 0, 0: those that come",
        0,
        100_000,
        lengths=(2,),
    ),
    Parameter("registration.thermal_size", [0, 0], "the same for the thermal images", 0, 100_000, lengths=(2,)),
    Parameter(
        "registration.rgb_intrinsics",
        [0.0, 0.0, 0.0, 0.0],
        "calibrated: fx, fy, cx, cy in pixels; zeros: from rgb/camera_info",
        0.0,
        _FAR,
        lengths=(4,),
    ),
    Parameter(
        "registration.thermal_intrinsics",
        [0.0, 0.0, 0.0, 0.0],
        "calibrated: fx, fy, cx, cy in pixels; zeros: from thermal/camera_info",
        0.0,
        _FAR,
        lengths=(4,),
    ),
    Parameter(
        "registration.rotation",
        _UNIT,
        "calibrated: 3x3, row by row, from the colour camera's optical frame to the thermal camera's",
        -1.0,
        1.0,
        lengths=(9,),
    ),
    Parameter("registration.translation", [0.0, 0.0, 0.0], "calibrated: the same, metres", -100.0, 100.0, lengths=(3,)),
    Parameter("registration.distance", 20.0, "calibrated: assumed distance of the target, metres", 0.1, 100_000.0),
    *_of_dataclass("thermal", ThermalConfig),
    *_of_dataclass("tracker", TrackerConfig),
    *_of_dataclass("tracker", ConfidenceConfig),
    Parameter("frames.rgb", "", "coordinate frame of the colour camera; empty: as its images say"),
    Parameter("frames.thermal", "", "coordinate frame of the thermal camera; empty: as its images say"),
    Parameter("overlay.width", 640, "largest width of each of the overlay's two images, pixels", 64, 4096),
    Parameter("overlay.rate", 0.0, "most overlays per second; 0: one for each pair", 0.0, 1000.0),
    Parameter("overlay.quality", 80, "JPEG quality of overlay/compressed", 1, 100),
    Parameter("markers.distance", 10.0, "length of the viewing ray and its frustum, metres", 0.1, 100_000.0),
]

#: Every parameter of the tracker node, by name.
PARAMETERS: dict[str, Parameter] = {parameter.name: parameter for parameter in _TABLE}


#: Every parameter of the camera node, by name.
CAMERA_PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("source", "simulator", "what to publish, as `ckd track` takes it", read_only=True),
        Parameter("rate", 0.0, "pairs per second; 0: the source's own rate", 0.0, 1000.0, read_only=True),
        Parameter("frames", 0, "pairs to publish; 0: all", 0, 1_000_000_000, read_only=True),
        Parameter("loop", False, "start again at the end", read_only=True),
        Parameter("wait_for_subscribers", False, "begin when both image topics have a subscriber", read_only=True),
        Parameter(
            "reliability",
            "reliable",
            "of the image topics; reliable serves every subscriber",
            choices=("reliable", "best_effort"),
            read_only=True,
        ),
        Parameter("field_of_view", 60.0, "horizontal, of both cameras, degrees", 1.0, 170.0, read_only=True),
        Parameter("frames.rgb", "rgb_optical_frame", "coordinate frame of the colour camera", read_only=True),
        Parameter("frames.thermal", "thermal_optical_frame", "and of the thermal camera", read_only=True),
    )
}


def check(values: Mapping[str, object], table: Mapping[str, Parameter]) -> None:
    """Check values by the table of their parameters. Raises ParameterError, in one message, for all that do not fit."""
    problems = []
    for name, value in values.items():
        try:
            table[name].check(value)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("; ".join(problems))
