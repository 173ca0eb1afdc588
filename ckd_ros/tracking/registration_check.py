"""Whether a registration can be right for the images that come: it is held against their sizes before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ckd_ros import geometry
from ckd_ros.geometry import FloatArray, Size
from ckd_ros.tracking.registration import Registration

#: Images whose ratios of width to height differ by more than this part do not show the same view.
SAME_ASPECT = 0.03
#: Points in a row and in a column of the grid that stands for an image.
_GRID = 17
#: As far outside of the image counts as inside, pixels: rounding.
_ROUNDING = 0.01
#: What follows.
NOT_USED = "until then the thermal images are not used"
_EVERYWHERE = (-np.inf, -np.inf, np.inf, np.inf)
_NOWHERE = (np.inf, np.inf, -np.inf, -np.inf)


@dataclass(frozen=True)
class RegistrationCheck:
    """What is wrong with a registration for images of certain sizes.

    Attributes:
        problems: key -> what is wrong, and what to do.
        usable: whether thermal images may be used at all.
        seen: left, top, right and bottom of a part of the colour image all of which lies in the thermal image; infinite
            where the whole image does, empty (left > right) where nothing does.
    """

    problems: Mapping[str, str] = field(default_factory=dict)
    usable: bool = True
    seen: tuple[float, float, float, float] = _EVERYWHERE

    def surely_sees(self, box: FloatArray) -> bool:
        """Whether a box `(x, y, w, h)` lies in `seen`, as far as it lies in the colour image."""
        x, y, w, h = box.tolist()
        left, top, right, bottom = self.seen
        return bool(max(x, 0.0) >= left and max(y, 0.0) >= top and x + w <= right and y + h <= bottom)


def check_registration(registration: Registration, rgb_size: Size, thermal_size: Size) -> RegistrationCheck:
    """Hold a registration against images of these (width, height)."""
    inside = _inside(registration, rgb_size, thermal_size)
    refusal = registration.unknown or _other_aspect(registration, rgb_size, thermal_size)
    refusal = refusal or _too_little(registration, float(inside.mean()), rgb_size, thermal_size)
    if refusal:
        return RegistrationCheck({"registration": f"{refusal}; {NOT_USED}"}, usable=False, seen=_NOWHERE)
    doubt = _doubt(registration, rgb_size, thermal_size)
    return RegistrationCheck({"registration view": doubt} if doubt else {}, seen=_seen_part(inside, rgb_size))


def seen_share(registration: Registration, rgb_size: Size, thermal_size: Size) -> float:
    """The part of the colour image that lies in the thermal image, images of these (width, height)."""
    return float(_inside(registration, rgb_size, thermal_size).mean())


def _inside(registration: Registration, rgb_size: Size, thermal_size: Size) -> npt.NDArray[np.bool_]:
    """`(rows, columns)` whether the points of a grid over the colour image lie in the thermal image."""
    mapped = registration.map_points(geometry.grid(rgb_size, _GRID), rgb_size, thermal_size)
    inside = ((mapped >= -_ROUNDING) & (mapped <= np.add(thermal_size, _ROUNDING))).all(axis=1)
    return np.asarray(inside.reshape(_GRID, _GRID))


def _seen_part(inside: npt.NDArray[np.bool_], rgb_size: Size) -> tuple[float, float, float, float]:
    """`RegistrationCheck.seen`, from the grid: the side with most points outside is taken off until none is left."""
    if inside.all():
        return _EVERYWHERE
    top, bottom, left, right = 0, _GRID - 1, 0, _GRID - 1
    while top <= bottom and left <= right:
        part = ~inside[top : bottom + 1, left : right + 1]
        if not part.any():
            width, height = (side / (_GRID - 1) for side in rgb_size)
            return left * width, top * height, right * width, bottom * height
        worst = int(np.argmax([part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()]))
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return _NOWHERE


def same_aspect(size: Size, other: Size) -> bool:
    """Whether two images can be the same view, scaled."""
    return bool(abs(np.log(size[0] * other[1] / (size[1] * other[0]))) <= SAME_ASPECT)


def _other_aspect(registration: Registration, rgb_size: Size, thermal_size: Size) -> str:
    for camera, stated, found in (
        ("colour", registration.rgb_size, rgb_size),
        ("thermal", registration.thermal_size, thermal_size),
    ):
        if stated is not None and not same_aspect(stated, found):
            return (
                f"the registration was found with {camera} images of {_show(stated)}, but those that come are "
                f"{_show(found)}, of another aspect: is a part cut off? Calibrate with images as they come"
            )
    return ""


def _too_little(registration: Registration, share: float, rgb_size: Size, thermal_size: Size) -> str:
    if share >= registration.min_overlap:
        return ""
    text = (
        f"the registration maps {1 - share:.0%} of the colour image ({_show(rgb_size)}) outside the thermal image "
        f"({_show(thermal_size)}), its centre to {_centre(registration, rgb_size, thermal_size)}:"
    )
    other_way = registration.reversed()
    enough = max(share, registration.min_overlap)
    if other_way is not None and _inside(other_way, rgb_size, thermal_size).mean() > enough:
        text += " its inverse would fit, so it seems to lead from thermal to colour pixels: invert it,"
    else:
        text += (
            " calibrate it with these images, or state the sizes of those it was found with (rgb_size, thermal_size),"
        )
    return f"{text} or lower min_overlap (now {registration.min_overlap:g}) if the thermal camera sees so little of it"


def _doubt(registration: Registration, rgb_size: Size, thermal_size: Size) -> str:
    rgb, thermal = registration.rgb_size or rgb_size, registration.thermal_size or thermal_size
    if registration.takes_same_view:
        if same_aspect(rgb, thermal):
            return ""
        return (
            f"the registration takes both images to show the same view, but colour images of {_show(rgb)} and thermal "
            f"images of {_show(thermal)} have different aspects: one is stretched; calibrate (homography, calibrated)"
        )
    region = registration.map_points(geometry.grid(rgb_size, _GRID), rgb_size, thermal_size)
    region = region[np.isfinite(region).all(axis=1)]
    middle = np.divide(thermal_size, 2)
    if (region.min(axis=0) <= middle).all() and (middle <= region.max(axis=0)).all():
        return ""
    low, high = region.min(axis=0), region.max(axis=0)
    return (
        f"the registration maps the colour image ({_show(rgb_size)}) to x {low[0]:.0f} to {high[0]:.0f} and y "
        f"{low[1]:.0f} to {high[1]:.0f} of the thermal image ({_show(thermal_size)}), which leaves out its centre: was "
        "it found with images of other sizes? State them (rgb_size, thermal_size)"
    )


def _centre(registration: Registration, rgb_size: Size, thermal_size: Size) -> str:
    (x, y), *_ = registration.map_points(np.divide([rgb_size], 2), rgb_size, thermal_size)
    return f"({x:.0f}, {y:.0f})"


def _show(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
