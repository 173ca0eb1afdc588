"""What a camera_info says of the images beside it: lens, size, and how they were cut, binned and rectified."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CameraInfo

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.lens import MODELS, Lens

RAW, RECTIFIED = "raw", "rectified"
#: Fields of a camera_info that describe the camera.
_DESCRIBING = ("width", "height", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi")
#: The principal point lies in this part of the image, each way, where K belongs to it.
_MIDDLE = (0.3, 0.7)


class CalibrationError(ValueError):
    """A camera_info that is missing or cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Calibration:
    """A camera as its images show it.

    Attributes:
        lens: of the images as they come: cut to the region of interest and binned.
        size: (width, height) that the images should have.
        rotation: 3x3, from the camera's own frame to that in which the images are rectified.
        doubt: what cannot be right about it though it can be used; empty: nothing.
    """

    lens: Lens
    size: Size
    rotation: FloatArray
    doubt: str = ""

    @property
    def field_of_view(self) -> float:
        """Horizontal, of the images as they come, degrees."""
        return float(np.degrees(2 * np.arctan(self.size[0] / (2 * self.lens.matrix[0, 0]))))


def read_calibration(info: CameraInfo, images: str, stream: str) -> Calibration:
    """The calibration of a stream's images, which are `raw` (K and D hold) or `rectified` (P does).

    Raises CalibrationError.
    """
    topic = f"{stream}/camera_info"
    if not (info.width > 0 and info.height > 0):
        raise CalibrationError(
            f"{topic} is of images of {info.width} x {info.height}: the driver must fill in their size"
        )
    k, distortion, rotation = np.reshape(info.k, (3, 3)), list(info.d), np.eye(3)
    if images == RECTIFIED:
        k, distortion = np.reshape(info.p, (3, 4))[:, :3], []
        if np.any(info.r):
            rotation = np.reshape(np.asarray(info.r, float), (3, 3))
    name = "P" if images == RECTIFIED else "K"
    if not (k[0, 0] > 0 and k[1, 1] > 0):
        raise CalibrationError(
            f"{topic} has no focal lengths in {name} ({k[0, 0]:g}, {k[1, 1]:g}): calibrate the camera, or state "
            f"registration.{stream}_intrinsics"
        )
    model = info.distortion_model
    if model not in MODELS and any(distortion):
        raise CalibrationError(
            f"{topic} has the distortion model '{model}': expected {', '.join(MODELS)}; subscribe to rectified images "
            f"and set registration.{stream}_images to rectified"
        )
    to_image, size = _cut_and_binned(info)
    if not all(size):
        raise CalibrationError(
            f"{topic} has binning {info.binning_x} x {info.binning_y} (with its roi, of images of {info.width} x "
            f"{info.height}): that leaves {size[0]} x {size[1]} pixels; the driver must fill in how it bins"
        )
    k_image = geometry.translation(-0.5, -0.5) @ to_image @ geometry.translation(0.5, 0.5) @ k
    try:
        lens = Lens(k_image.ravel().tolist(), distortion, model, stream)
    except ValueError as error:
        raise CalibrationError(f"{topic} cannot be used: {error}") from error
    doubt = _doubt(info, k, f"{topic}: {name}")
    if images == RECTIFIED and info.roi.do_rectify:
        doubt = f"{topic} has roi.do_rectify: where the rectified part lies it does not say; rectify whole images"
    return Calibration(lens, size, rotation, doubt)


def _cut_and_binned(info: CameraInfo) -> tuple[FloatArray, Size]:
    """3x3 transform from pixels of the whole sensor to those of the image, and the image's size."""
    across, down = max(1, info.binning_x), max(1, info.binning_y)
    roi = info.roi
    width, height = roi.width or info.width, roi.height or info.height
    to_image = geometry.scaling(1 / across, 1 / down) @ geometry.translation(-roi.x_offset, -roi.y_offset)
    return to_image, (width // across, height // down)


def _doubt(info: CameraInfo, k: FloatArray, name: str) -> str:
    low, high = _MIDDLE
    if low * info.width < k[0, 2] < high * info.width and low * info.height < k[1, 2] < high * info.height:
        return ""
    return (
        f"{name} has its centre at ({k[0, 2]:g}, {k[1, 2]:g}), far from that of images of {info.width} x {info.height}"
        ": is the calibration of another resolution?"
    )


def same_camera(info: CameraInfo, other: CameraInfo) -> bool:
    """Whether two camera_infos describe the same camera, whenever they were sent and whatever its frame is called."""
    return all(np.array_equal(getattr(info, name), getattr(other, name)) for name in _DESCRIBING)
