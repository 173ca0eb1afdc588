"""Where a pixel of the colour image lies in the thermal image.

Every type of registration gives one 3x3 matrix, in continuous pixel coordinates; one with a lens that bends straight
lines gives another for each box. It is composed with the crop windows, never applied to a whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.lens import Lens
from ckd_ros.tracking.stated import numbers, shown
from ckd_ros.tracking.two_cameras import TwoCameras, fit_transform

#: What `Registration.from_config` reads.
CONFIG_KEYS = (
    "type",
    "offset",
    "matrix",
    "rgb_intrinsics",
    "thermal_intrinsics",
    "rotation",
    "translation",
    "distance",
    "rgb_distortion",
    "thermal_distortion",
    "rgb_distortion_model",
    "thermal_distortion_model",
    "rgb_size",
    "thermal_size",
    "min_overlap",
)


@dataclass(frozen=True)
class Registration:
    """Both cameras see the same field of view: the mapping is the ratio of the image sizes (type `none`).

    Also the base of the other types.

    Attributes:
        rgb_size, thermal_size: (width, height) of the images that the registration was found with. Images of another
            size are taken as the same view scaled. None: the numbers hold for whatever size comes.
        min_overlap: least part of the colour image that must lie in the thermal image, (0, 1]; else it is not used.
    """

    rgb_size: Size | None = None
    thermal_size: Size | None = None
    min_overlap: float = 0.5

    def __post_init__(self) -> None:
        for name in ("rgb_size", "thermal_size"):
            size = getattr(self, name)
            if size is not None:
                width, height = numbers(name, size, (2,), "width, height")
                if not (width > 0 and height > 0):
                    raise ValueError(f"{name} is {shown(size)}: an image's width and height must be positive")
                object.__setattr__(self, name, (int(width), int(height)))

        if not 0 < numbers("min_overlap", self.min_overlap, (1,), "a part")[0] <= 1:
            raise ValueError(f"min_overlap is {self.min_overlap:g}: expected a part, above 0 and at most 1")

    @property
    def is_curved(self) -> bool:
        """Whether one 3x3 matrix does not hold for the whole image, because a lens bends straight lines."""
        return False

    @property
    def unknown(self) -> str:
        """Why it is not known; empty: it is."""
        return ""

    @property
    def takes_same_view(self) -> bool:
        """Whether the images are stretched onto one another, so that both must have the same aspect."""
        return True

    def reversed(self) -> Registration | None:
        """The same numbers read from thermal to RGB pixels, where they could be given that way round by mistake."""
        return None

    def matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        """3x3 transform from pixels of an RGB image to those of a thermal image of these (width, height).

        Where `is_curved`, the one that fits best over the whole image.
        """
        rgb, thermal = self.rgb_size or rgb_size, self.thermal_size or thermal_size
        matrix: FloatArray = _resizing(thermal, thermal_size) @ self._matrix(rgb, thermal) @ _resizing(rgb_size, rgb)
        return matrix

    def map_points(self, points: FloatArray, rgb_size: Size, thermal_size: Size) -> FloatArray:
        """`(N, 2)` pixels of the thermal image for those of the RGB image; NaN where there is none."""
        return geometry.transform_in_front(self.matrix(rgb_size, thermal_size), points, np.divide(rgb_size, 2))

    def _matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        return geometry.scaling(thermal_size[0] / rgb_size[0], thermal_size[1] / rgb_size[1])

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Registration:
        """The registration that flat settings describe, from a ROS parameter file or a command line.

        `type` is one of
            none        same field of view (also when `config` is empty);
            offset      `offset`: dx, dy in thermal pixels, added to the scaled RGB position;
            affine      `matrix`: 6 numbers, row by row, RGB pixels -> thermal pixels;
            homography  `matrix`: 9 numbers, row by row;
            calibrated  `rgb_intrinsics`, `thermal_intrinsics` (fx, fy, cx, cy, or the 9 numbers of K), `rotation`
                        (9 numbers) and `translation` (3, metres) from RGB to thermal camera, `distance` (metres);
                        for images that are not rectified `rgb_distortion`, `thermal_distortion` (coefficients in
                        OpenCV's order) and `rgb_distortion_model`, `thermal_distortion_model` (see `Lens`).
        `rgb_size` and `thermal_size` (width, height) and `min_overlap` are optional for every type. Lists that are
        empty count as absent, and what the type does not need is ignored. Raises ValueError naming the value at fault
        and what would be right.
        """
        unknown = sorted(set(config) - set(CONFIG_KEYS))
        if unknown:
            raise ValueError(f"unknown registration setting '{unknown[0]}': known are {', '.join(CONFIG_KEYS)}")
        given = {key: value for key, value in config.items() if value is not None and np.size(value) > 0}
        name = given.get("type", "none")
        if name not in _TYPES:
            raise ValueError(f"registration type is {name!r}: expected one of {', '.join(_TYPES)}")
        make, needed, optional = _TYPES[name]
        missing = [key for key in needed if key not in given]
        if missing:
            raise ValueError(f"registration type '{name}' needs '{missing[0]}', which is not given")
        taken = (*needed, *optional, "rgb_size", "thermal_size", "min_overlap")
        return make(**{key: given[key] for key in taken if key in given})

    @staticmethod
    def from_text(text: str, min_overlap: float = 0.5) -> Registration:
        """The registration of a command line: `none`, `offset:DX,DY`, `affine:` 6 or `homography:` 9 numbers.

        The numbers are those of `from_config`. A calibrated pair is, at one distance, a homography.
        Raises ValueError naming the value at fault and what would be right.

        >>> Registration.from_text("offset:12,-3.5").matrix((640, 512), (320, 256)).tolist()
        [[0.5, 0.0, 12.0], [0.0, 0.5, -3.5], [0.0, 0.0, 1.0]]
        """
        name, _, numbers = text.strip().partition(":")
        if name not in _IN_TEXT:
            expected = ", ".join(known + (":NUMBERS" if key else "") for known, key in _IN_TEXT.items())
            raise ValueError(f"registration '{text}' is unknown: expected one of {expected}")
        try:
            values = [float(value) for value in numbers.split(",")] if numbers.strip() else []
        except ValueError:
            raise ValueError(f"registration '{text}' is malformed: expected numbers after '{name}:'") from None
        setting = _IN_TEXT[name]
        stated = {setting: values} if setting else {}
        return Registration.from_config({"type": name, "min_overlap": min_overlap, **stated})


@dataclass(frozen=True)
class UnknownRegistration(Registration):
    """Not known (yet), for a `reason`: the tracker uses no thermal image beside colour; what is drawn is a guess."""

    reason: str = "the registration is not known"

    @property
    def unknown(self) -> str:
        return self.reason


@dataclass(frozen=True)
class OffsetRegistration(Registration):
    """The same field of view, shifted: thermal = scaled RGB + `offset` (dx, dy), in thermal pixels."""

    offset: Sequence[float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers("offset", self.offset, (2,), "dx, dy")

    def _matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        dx, dy = map(float, self.offset)
        shifted: FloatArray = geometry.translation(dx, dy) @ super()._matrix(rgb_size, thermal_size)
        return shifted


@dataclass(frozen=True)
class MatrixRegistration(Registration):
    """An affine transform (6 numbers, row by row) or a homography (9) from RGB pixels to thermal pixels."""

    matrix_entries: Sequence[float] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_regular("matrix", self._matrix((1, 1), (1, 1)))

    @property
    def takes_same_view(self) -> bool:
        return False

    def reversed(self) -> Registration:
        inverse = np.linalg.inv(self._matrix((1, 1), (1, 1)))
        return replace(self, matrix_entries=tuple(inverse.ravel().tolist()))

    def _matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        entries = numbers("matrix", self.matrix_entries, (6, 9), "the rows of an affine (6) or homography (9)")
        rows = entries if entries.size == 9 else np.concatenate([entries, [0.0, 0.0, 1.0]])
        return rows.reshape(3, 3)


@dataclass(frozen=True)
class CalibratedRegistration(Registration):
    """Two calibrated cameras and a target at an assumed distance.

    The scene is taken to be the plane `z = distance` of the RGB camera, parallel to its image. That plane induces the
    homography `K_thermal (R + t n^T / distance) K_rgb^-1` with `n = (0, 0, 1)`; a point at another depth `z` is off by
    about `focal length * baseline * |1 / z - 1 / distance|` pixels.

    Attributes:
        rgb_intrinsics, thermal_intrinsics: `fx, fy, cx, cy` or the 9 numbers of K, see `Lens`.
        rotation, translation: take a point of the RGB camera's optical frame to the thermal camera's, metres
            (`cv2.stereoCalibrate` with the RGB camera first gives them so).
        distance: from the RGB camera to the target along the optical axis, metres.
        rgb_distortion, thermal_distortion, rgb_distortion_model, thermal_distortion_model: of images that are not
            rectified, see `Lens`.
    """

    rgb_intrinsics: Sequence[float] = ()
    thermal_intrinsics: Sequence[float] = ()
    rotation: Sequence[float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    translation: Sequence[float] = (0.0, 0.0, 0.0)
    distance: float = 1.0
    rgb_distortion: Sequence[float] = ()
    thermal_distortion: Sequence[float] = ()
    rgb_distortion_model: str = "plumb_bob"
    thermal_distortion_model: str = "plumb_bob"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_regular("the homography of the calibration", self._cameras.homography)

    @property
    def is_curved(self) -> bool:
        return self._cameras.is_curved

    @property
    def takes_same_view(self) -> bool:
        return False

    def map_points(self, points: FloatArray, rgb_size: Size, thermal_size: Size) -> FloatArray:
        if not self.is_curved:
            return super().map_points(points, rgb_size, thermal_size)
        rgb, thermal = self.rgb_size or rgb_size, self.thermal_size or thermal_size
        mapped = self._cameras.map_points(geometry.transform_points(_resizing(rgb_size, rgb), points))
        return geometry.transform_points(_resizing(thermal, thermal_size), mapped)

    def _matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        if not self.is_curved:
            return self._cameras.homography
        points = geometry.grid(rgb_size, 9)
        return fit_transform(points, self._cameras.map_points(points), self._cameras.homography)

    @cached_property
    def _cameras(self) -> TwoCameras:
        rgb = Lens(self.rgb_intrinsics, self.rgb_distortion, self.rgb_distortion_model, "rgb")
        thermal = Lens(self.thermal_intrinsics, self.thermal_distortion, self.thermal_distortion_model, "thermal")
        return TwoCameras(rgb, thermal, self.rotation, self.translation, self.distance)


def _homography(matrix: Sequence[float], **common: Any) -> Registration:
    numbers("matrix", matrix, (9,), "the rows of a homography")
    return MatrixRegistration(matrix_entries=matrix, **common)


def _affine(matrix: Sequence[float], **common: Any) -> Registration:
    numbers("matrix", matrix, (6,), "the rows of an affine transform")
    return MatrixRegistration(matrix_entries=matrix, **common)


#: Type -> its constructor, the settings it needs and those it may have besides.
_TYPES: dict[str, tuple[Callable[..., Registration], tuple[str, ...], tuple[str, ...]]] = {
    "none": (Registration, (), ()),
    "offset": (OffsetRegistration, ("offset",), ()),
    "affine": (_affine, ("matrix",), ()),
    "homography": (_homography, ("matrix",), ()),
    "calibrated": (
        CalibratedRegistration,
        ("rgb_intrinsics", "thermal_intrinsics", "rotation", "translation", "distance"),
        ("rgb_distortion", "thermal_distortion", "rgb_distortion_model", "thermal_distortion_model"),
    ),
}

#: Types that one line can describe -> the setting that its numbers are.
_IN_TEXT: dict[str, str | None] = {"none": None, "offset": "offset", "affine": "matrix", "homography": "matrix"}


def _resizing(size: Size, new_size: Size) -> FloatArray:
    """3x3 transform from pixels of an image to those of the same view in another (width, height)."""
    return geometry.scaling(new_size[0] / size[0], new_size[1] / size[1])


def _check_regular(name: str, matrix: FloatArray) -> None:
    # Pixels to thousands of pixels, so that translations and rotations weigh alike in the condition number.
    condition = np.linalg.cond(geometry.scaling(1e-3, 1e-3) @ matrix @ geometry.scaling(1e3, 1e3))
    if not condition < 1e8:
        raise ValueError(
            f"{name} {shown(matrix.ravel())} is singular: it maps the image to a line or a point; calibrate it again"
        )
