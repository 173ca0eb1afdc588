"""The parameters of the nodes: settings in groups, whose names stand before the settings' own.

Each parameter is declared, described, checked and explained from its setting. Those of the tracker and of the thermal
normalisation are the tracker's own settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ckd_ros.image_messages import MOST_PIXELS
from ckd_ros.ros.sync.drive import DRIVES
from ckd_ros.ros.sync.streams import RGB, THERMAL
from ckd_ros.settings import Setting, build, check, setting, settings_of
from ckd_ros.tracking import ConfidenceConfig, ThermalConfig, TrackerConfig

T = TypeVar("T")

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
#: No sensible offset, matrix entry or focal length is as large.
_BOUND = 1e6


class ParameterError(ValueError):
    """A value that a parameter does not take; the message names the parameter and what it takes."""


@dataclass(frozen=True)
class NodeSettings:
    """The node itself."""

    autostart: bool = setting(
        True, "configure and activate at start; false: wait for a lifecycle manager", read_only=True
    )
    modality: str = setting(
        "both",
        "which cameras there are; rgb or thermal: that one alone, the other is neither received nor missed",
        choices=("both", RGB, THERMAL),
        read_only=True,
    )
    max_targets: int = setting(
        1,
        "so many targets are followed at the same time; 1: a new one takes the place of the one before. On a CPU each "
        "costs the time of one",
        1,
        64,
        read_only=True,
    )


@dataclass(frozen=True)
class TransportSettings:
    """How the images of each camera are sent."""

    rgb: str = setting(
        "raw",
        "of the colour camera; raw: sensor_msgs/Image; compressed: sensor_msgs/CompressedImage on TOPIC/compressed",
        choices=("raw", "compressed"),
        read_only=True,
    )
    thermal: str = setting("raw", "of the thermal camera", choices=("raw", "compressed"), read_only=True)


@dataclass(frozen=True)
class ModelSettings:
    """The network and what it runs on."""

    path: str = setting(
        "",
        "the network: the name of a shipped one (tiny, tiny-int8, tiny-open) or an .onnx file; empty: the default, as "
        "int8 on CPUs made for that",
        read_only=True,
    )
    providers: tuple[str, ...] = setting(
        ("auto",),
        "ONNX Runtime's execution providers, best first; auto: tensorrt, cuda, cpu",
        choices=("auto", "tensorrt", "cuda", "cpu"),
        read_only=True,
    )
    cache_dir: str = setting("", "where TensorRT keeps built engines; empty: the user's cache", read_only=True)
    threads: int = setting(0, "CPU threads of the network; 0: as the machine suggests", 0, 256, read_only=True)


@dataclass(frozen=True)
class QosSettings:
    """How images are received."""

    reliability: str = setting(
        "best_effort",
        "of the image subscriptions; best_effort receives from every publisher, reliable from reliable ones only",
        choices=("best_effort", "reliable"),
        read_only=True,
    )
    depth: int = setting(1, "queue of the image subscriptions; more than 1 adds delay", 1, 100, read_only=True)


@dataclass(frozen=True)
class SyncSettings:
    """Which images belong together."""

    policy: str = setting(
        "latest",
        "latest: the node's own pairing; approximate: message_filters' ApproximateTimeSynchronizer",
        choices=("latest", "approximate"),
        read_only=True,
    )
    drive: str = setting(
        "auto",
        "what gives the rate of the tracks; pair: two images of one moment, each used once; rgb or thermal: each image "
        "of that camera, with the other's newest; fastest: the camera that sends more; auto: fastest where the rates "
        "differ by more than a third, else pair",
        choices=DRIVES,
    )
    slop: float = setting(0.05, "largest difference of the stamps of a pair, seconds", 0, 10)
    thermal_offset: float = setting(
        0.0,
        "by how much the thermal camera's stamps are ahead of the colour camera's for the same moment, seconds; "
        "negative: behind",
        -3600,
        3600,
    )
    estimate_offset: bool = setting(
        False,
        "take off the offset that is estimated from the motion in both images, in place of thermal_offset, once there "
        "is one; it is estimated and reported in any case",
    )
    timeout: float = setting(0.5, "time without a pair after which one image is used alone, seconds", 0.05, 60)
    history: float = setting(2.0, "how far back init_target may start, seconds; costs memory", 0, 60)


@dataclass(frozen=True)
class InitSettings:
    """Which targets the node takes up."""

    restore: bool = setting(
        False,
        "take up the last targets when the node is activated; false: none, until init_target shows one. Costs writing "
        "a pair of images once a second for each, to memory where the system has a place for that",
        read_only=True,
    )
    max_age: float = setting(10.0, "unless it was last seen longer ago than this, seconds", 0, 3600, read_only=True)
    min_confidence: float = setting(
        0.0, "init_target refuses what the network is less sure of; a target drawn tightly has 0.9 and more", 0, 1
    )


@dataclass(frozen=True)
class RegistrationSettings:
    """Where a pixel of the colour image lies in the thermal image."""

    type: str = setting(
        "none",
        "how colour pixels map to thermal pixels; none: both images show the same view",
        choices=("none", "offset", "affine", "homography", "calibrated"),
    )
    offset: tuple[float, float] = setting((0.0, 0.0), "offset: dx, dy in thermal pixels", -_BOUND, _BOUND)
    matrix: tuple[float, ...] = setting(
        _IDENTITY,
        "affine (6 numbers) or homography (9), row by row, colour pixels to thermal pixels",
        -_BOUND,
        _BOUND,
        lengths=(6, 9),
    )
    rgb_size: tuple[int, int] = setting(
        (0, 0),
        "width, height of the colour images that offset, matrix or intrinsics hold for; 0, 0: those that come",
        0,
        100_000,
    )
    thermal_size: tuple[int, int] = setting((0, 0), "the same for the thermal images", 0, 100_000)
    min_overlap: float = setting(
        0.5,
        "least part of the colour image that the thermal image must show; with less the registration is taken for "
        "wrong, and thermal images are not used",
        0.01,
        1,
    )
    rgb_images: str = setting(
        "raw",
        "whether the colour images come raw (K and D of rgb/camera_info hold) or rectified (P does)",
        choices=("raw", "rectified"),
    )
    thermal_images: str = setting("raw", "the same of the thermal images", choices=("raw", "rectified"))
    rgb_intrinsics: tuple[float, float, float, float] = setting(
        (0.0, 0.0, 0.0, 0.0),
        "calibrated: fx, fy, cx, cy in pixels, without distortion; zeros: from rgb/camera_info",
        0,
        _BOUND,
    )
    thermal_intrinsics: tuple[float, float, float, float] = setting(
        (0.0, 0.0, 0.0, 0.0),
        "calibrated: fx, fy, cx, cy in pixels, without distortion; zeros: from thermal/camera_info",
        0,
        _BOUND,
    )
    extrinsics: str = setting(
        "given",
        "calibrated: where the pose between the cameras comes from; given: rotation and translation; tf: /tf, between "
        "the frames that both camera_info (or frames.*) name, where tf2_ros is installed",
        choices=("given", "tf"),
    )
    rotation: tuple[float, ...] = setting(
        _IDENTITY,
        "calibrated: 3x3, row by row, from the colour camera's optical frame to the thermal camera's",
        -1,
        1,
        lengths=(9,),
    )
    translation: tuple[float, float, float] = setting((0.0, 0.0, 0.0), "calibrated: the same, metres", -100, 100)
    distance: float = setting(20.0, "calibrated: assumed distance of the target, metres", 0.1, 100_000)

    def __post_init__(self) -> None:
        check(self)

    def as_config(self) -> dict[str, Any]:
        """As `Registration.from_config` takes it, without what camera_info or /tf are to say."""
        names = ("type", "distance", "offset", "matrix", "min_overlap", "rotation", "translation")
        config = {name: getattr(self, name) for name in names}
        for stream in (RGB, THERMAL):
            size = getattr(self, f"{stream}_size")
            config[f"{stream}_size"] = size if all(size) else None
            config[f"{stream}_intrinsics"] = getattr(self, f"{stream}_intrinsics")
        return config


@dataclass(frozen=True)
class ThermalImageSettings:
    """Which part of a thermal image is the picture."""

    crop: tuple[int, int] = setting(
        (0, 0),
        "rows taken off the thermal images above and below (telemetry, raw data); boxes are in pixels of what is left",
        0,
        100_000,
    )


@dataclass(frozen=True)
class FrameSettings:
    """Names of coordinate frames, for cameras that leave them out."""

    rgb: str = setting("", "coordinate frame of the colour camera; empty: as its images say")
    thermal: str = setting("", "coordinate frame of the thermal camera; empty: as its images say")


@dataclass(frozen=True)
class OverlaySettings:
    """The annotated image, made only while someone looks at it."""

    width: int = setting(640, "largest width of each of the overlay's two images, pixels", 64, 4096)
    rate: float = setting(0.0, "most overlays per second; 0: one for each pair", 0, 1000)
    quality: int = setting(80, "JPEG quality of overlay/compressed", 1, 100)


@dataclass(frozen=True)
class MarkerSettings:
    """The viewing ray to the target, for RViz."""

    distance: float = setting(10.0, "length of the viewing ray and its frustum, metres", 0.1, 100_000)


@dataclass(frozen=True)
class LimitSettings:
    """What whoever may publish or call can cost the node."""

    image_pixels: int = setting(
        MOST_PIXELS, "largest image that is taken, pixels; refused before it is decoded", 1, 1_000_000_000
    )
    starts: int = setting(
        20,
        "most init_target requests in 10 seconds, each of which costs as much as several frames; 0: any number",
        0,
        10_000,
    )


@dataclass(frozen=True)
class CameraSettings:
    """The node that plays a source as two cameras."""

    source: str = setting("simulator", "what to publish, as `ckd track` takes it", read_only=True)
    rate: float = setting(0.0, "pairs per second; 0: the source's own rate", 0, 1000, read_only=True)
    frames: int = setting(0, "pairs to publish; 0: all", 0, 1_000_000_000, read_only=True)
    loop: bool = setting(False, "start again at the end", read_only=True)
    init: str = setting(
        "none",
        "auto: show the target, where the source says where it is, to the tracker of the same namespace",
        choices=("none", "auto"),
        read_only=True,
    )
    wait_for_subscribers: bool = setting(False, "begin when both image topics have a subscriber", read_only=True)
    wait_for_node: str = setting("", "begin when a node of this name has subscribed to a camera_info", read_only=True)
    reliability: str = setting(
        "reliable",
        "of the image topics; reliable serves every subscriber",
        choices=("reliable", "best_effort"),
        read_only=True,
    )
    field_of_view: float = setting(60.0, "horizontal, of both cameras, degrees", 1, 170, read_only=True)


@dataclass(frozen=True)
class CameraFrameSettings:
    """Names of coordinate frames."""

    rgb: str = setting("rgb_optical_frame", "coordinate frame of the colour camera", read_only=True)
    thermal: str = setting("thermal_optical_frame", "coordinate frame of the thermal camera", read_only=True)


#: Groups of the tracker node's parameters, and the settings in each.
GROUPS: tuple[tuple[str, type[Any]], ...] = (
    ("", NodeSettings),
    ("image_transport", TransportSettings),
    ("model", ModelSettings),
    ("qos", QosSettings),
    ("sync", SyncSettings),
    ("init", InitSettings),
    ("registration", RegistrationSettings),
    ("thermal", ThermalConfig),
    ("thermal", ThermalImageSettings),
    ("tracker", TrackerConfig),
    ("tracker", ConfidenceConfig),
    ("frames", FrameSettings),
    ("overlay", OverlaySettings),
    ("markers", MarkerSettings),
    ("limits", LimitSettings),
)


def _name(group: str, stated: Setting) -> str:
    """A parameter's name; those of the node itself have no group."""
    return f"{group}.{stated.name}" if group else stated.name


def _table(groups: Iterable[tuple[str, type[Any]]]) -> dict[str, Setting]:
    """The parameters by name. A tuple's default is a list, since that is what ROS has."""
    table = {}
    for group, kind in groups:
        for stated in settings_of(kind).values():
            if not stated.is_group:
                name = _name(group, stated)
                default = list(stated.default) if isinstance(stated.default, tuple) else stated.default
                table[name] = replace(stated, name=name, default=default, exact=True)
    return table


#: Every parameter of the tracker node, by name.
PARAMETERS: dict[str, Setting] = _table(GROUPS)
#: Every parameter of the camera node, by name.
CAMERA_PARAMETERS: dict[str, Setting] = _table((("", CameraSettings), ("frames", CameraFrameSettings)))


def problems(values: Mapping[str, object], table: Mapping[str, Setting]) -> list[str]:
    """What is wrong with values: one text for each value that its parameter does not take."""
    faults = ((name, table[name].fault(value)) for name, value in values.items())
    return [f"parameter '{name}' {fault}" for name, fault in faults if fault]


def of_group(kind: type[T], group: str, values: Mapping[str, Any]) -> T:
    """The settings of a group, from the values of all parameters by name. Raises ValueError as `kind` does."""
    own = [stated for stated in settings_of(kind).values() if not stated.is_group]
    return build(kind, {stated.name: values[_name(group, stated)] for stated in own})


def tracker_settings(values: Mapping[str, Any]) -> TrackerConfig:
    """The tracker's settings, from the values of all parameters by name. Raises ValueError as `TrackerConfig` does."""
    return replace(
        of_group(TrackerConfig, "tracker", values),
        confidence=of_group(ConfidenceConfig, "tracker", values),
        thermal=of_group(ThermalConfig, "thermal", values),
    )
