"""Where a pixel of the colour image lies in the thermal image.

Every type of registration gives one 3x3 matrix, in continuous pixel coordinates. It is composed with the crop windows,
never applied to a whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size

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
    "rgb_size",
    "thermal_size",
)


@dataclass(frozen=True)
class Registration:
    """Both cameras see the same field of view: the mapping is the ratio of the image sizes (type `none`).

    Also the base of the other types.

    Attributes:
        rgb_size, thermal_size: (width, height) of the images that the registration was found with. Images of another
            size are taken as the same view scaled. None: the numbers hold for whatever size comes.
    """

    rgb_size: Size | None = None
    thermal_size: Size | None = None

    def __post_init__(self) -> None:
        for name in ("rgb_size", "thermal_size"):
            size = getattr(self, name)
            if size is not None:
                width, height = _numbers(name, size, (2,), "width, height")
                if not (width > 0 and height > 0):
                    raise ValueError(f"{name} is {_show(size)}: an image's width and height must be positive")
                object.__setattr__(self, name, (int(width), int(height)))

    def matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        """3x3 transform from pixels of an RGB image to those of a thermal image of these (width, height)."""
        rgb, thermal = self.rgb_size or rgb_size, self.thermal_size or thermal_size
        to_reference = geometry.scaling(rgb[0] / rgb_size[0], rgb[1] / rgb_size[1])
        from_reference = geometry.scaling(thermal_size[0] / thermal[0], thermal_size[1] / thermal[1])
        matrix: FloatArray = from_reference @ self._matrix(rgb, thermal) @ to_reference
        return matrix

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
                        (9 numbers) and `translation` (3, metres) from RGB to thermal camera, `distance` (metres).
        `rgb_size` and `thermal_size` (width, height) are optional for every type. Lists that are empty count as absent,
        and what the type does not need is ignored. Raises ValueError naming the value at fault and what would be right.
        """
        unknown = sorted(set(config) - set(CONFIG_KEYS))
        if unknown:
            raise ValueError(f"unknown registration setting '{unknown[0]}': known are {', '.join(CONFIG_KEYS)}")
        given = {key: value for key, value in config.items() if value is not None and np.size(value) > 0}
        name = given.get("type", "none")
        if name not in _TYPES:
            raise ValueError(f"registration type is {name!r}: expected one of {', '.join(_TYPES)}")
        make, needed = _TYPES[name]
        missing = [key for key in needed if key not in given]
        if missing:
            raise ValueError(f"registration type '{name}' needs '{missing[0]}', which is not given")
        return make(**{key: given[key] for key in (*needed, "rgb_size", "thermal_size") if key in given})

    @staticmethod
    def from_text(text: str) -> Registration:
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
        return Registration.from_config({"type": name, **({setting: values} if setting else {})})


@dataclass(frozen=True)
class OffsetRegistration(Registration):
    """The same field of view, shifted: thermal = scaled RGB + `offset` (dx, dy), in thermal pixels."""

    offset: Sequence[float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _numbers("offset", self.offset, (2,), "dx, dy")

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

    def _matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        entries = _numbers("matrix", self.matrix_entries, (6, 9), "the rows of an affine (6) or homography (9)")
        rows = entries if entries.size == 9 else np.concatenate([entries, [0.0, 0.0, 1.0]])
        return rows.reshape(3, 3)


@dataclass(frozen=True)
class CalibratedRegistration(Registration):
    """Two calibrated cameras and a target at an assumed distance.

    The scene is taken to be the plane `z = distance` of the RGB camera, parallel to its image. That plane induces the
    homography `K_thermal (R + t n^T / distance) K_rgb^-1` with `n = (0, 0, 1)`; a point at another depth `z` is off by
    about `focal length * baseline * |1 / z - 1 / distance|` pixels.

    Attributes:
        rgb_intrinsics, thermal_intrinsics: `fx, fy, cx, cy` or the 9 numbers of K, in the convention of CameraInfo and
            OpenCV (the centre of the first pixel is at 0). Lens distortion is not modelled: give K of rectified images.
        rotation, translation: take a point of the RGB camera's optical frame to the thermal camera's, metres
            (`cv2.stereoCalibrate` with the RGB camera first gives them so).
        distance: from the RGB camera to the target along the optical axis, metres.
    """

    rgb_intrinsics: Sequence[float] = ()
    thermal_intrinsics: Sequence[float] = ()
    rotation: Sequence[float] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    translation: Sequence[float] = (0.0, 0.0, 0.0)
    distance: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        distance = _numbers("distance", self.distance, (1,), "metres")[0]
        if not distance > 0:
            raise ValueError(f"distance is {distance:g}: expected metres, in front of the camera, above 0")
        rotation = _numbers("rotation", self.rotation, (9,), "the rows of a rotation matrix").reshape(3, 3)
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
            raise ValueError(
                f"rotation {_show(self.rotation)} is not a rotation matrix: its rows must be orthogonal, of length 1 "
                f"and right-handed"
            )
        matrix = self._matrix((1, 1), (1, 1))
        depth = rotation[2, 2] + _numbers("translation", self.translation, (3,), "x, y, z in metres")[2] / distance
        if not depth > 0:
            raise ValueError(
                f"with rotation {_show(self.rotation)} and translation {_show(self.translation)} a target at distance "
                f"{distance:g} lies behind the thermal camera: both must take points of the RGB camera's frame to the "
                f"thermal camera's"
            )
        _check_regular("the homography of the calibration", matrix)

    def _matrix(self, rgb_size: Size, thermal_size: Size) -> FloatArray:
        rotation = _numbers("rotation", self.rotation, (9,), "the rows of a rotation matrix").reshape(3, 3)
        translation = _numbers("translation", self.translation, (3,), "x, y, z in metres")
        normal = np.array([0.0, 0.0, 1.0])
        between = rotation + np.outer(translation, normal) / float(np.squeeze(self.distance))
        k_rgb = _camera("rgb_intrinsics", self.rgb_intrinsics)
        k_thermal = _camera("thermal_intrinsics", self.thermal_intrinsics)
        homography: FloatArray = k_thermal @ between @ np.linalg.inv(k_rgb)
        return homography


def _homography(matrix: Sequence[float], **sizes: Size) -> Registration:
    _numbers("matrix", matrix, (9,), "the rows of a homography")
    return MatrixRegistration(matrix_entries=matrix, **sizes)


def _affine(matrix: Sequence[float], **sizes: Size) -> Registration:
    _numbers("matrix", matrix, (6,), "the rows of an affine transform")
    return MatrixRegistration(matrix_entries=matrix, **sizes)


#: Type -> its constructor and the settings it needs.
_TYPES: dict[str, tuple[Callable[..., Registration], tuple[str, ...]]] = {
    "none": (Registration, ()),
    "offset": (OffsetRegistration, ("offset",)),
    "affine": (_affine, ("matrix",)),
    "homography": (_homography, ("matrix",)),
    "calibrated": (
        CalibratedRegistration,
        ("rgb_intrinsics", "thermal_intrinsics", "rotation", "translation", "distance"),
    ),
}

#: Types that one line can describe -> the setting that its numbers are.
_IN_TEXT: dict[str, str | None] = {"none": None, "offset": "offset", "affine": "matrix", "homography": "matrix"}


def _camera(name: str, values: Sequence[float]) -> FloatArray:
    """K in continuous coordinates, where the centre of the first pixel is at 0.5."""
    entries = _numbers(name, values, (4, 9), "fx, fy, cx, cy, or the rows of K")
    if entries.size == 4:
        fx, fy, cx, cy = entries
        k = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    else:
        k = entries.reshape(3, 3)
    if not (k[0, 0] > 0 and k[1, 1] > 0) or not np.array_equal(k[2], [0.0, 0.0, 1.0]):
        raise ValueError(f"{name} is {_show(values)}: focal lengths must be positive and the last row of K (0, 0, 1)")
    continuous: FloatArray = geometry.translation(0.5, 0.5) @ k
    return continuous


def _numbers(name: str, values: npt.ArrayLike, counts: tuple[int, ...], meaning: str) -> FloatArray:
    try:
        array = np.asarray(values, float).reshape(-1)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {values!r}: expected numbers ({meaning})") from None
    if array.size not in counts:
        expected = " or ".join(map(str, counts))
        raise ValueError(f"{name} has {array.size} number(s), {_show(values)}: expected {expected} ({meaning})")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is {_show(values)}: every number must be finite ({meaning})")
    return array


def _check_regular(name: str, matrix: FloatArray) -> None:
    # Pixels to thousands of pixels, so that translations and rotations weigh alike in the condition number.
    condition = np.linalg.cond(geometry.scaling(1e-3, 1e-3) @ matrix @ geometry.scaling(1e3, 1e3))
    if not condition < 1e8:
        raise ValueError(
            f"{name} {_show(matrix.ravel())} is singular: it maps the image to a line or a point; calibrate it again"
        )


def _show(values: npt.ArrayLike) -> str:
    return "[" + ", ".join(f"{float(v):g}" for v in np.ravel(values)) + "]"
