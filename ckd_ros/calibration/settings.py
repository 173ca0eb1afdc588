"""What a calibration is made from, and what it is content with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ckd_ros.settings import Above, check, setting


@dataclass(frozen=True)
class CalibrationSettings:
    """How a registration is looked for. Raises ValueError for a value out of range."""

    pattern: Literal["none", "checkerboard", "circles", "charuco"] = setting(
        "none", "target pattern that both cameras see, bright or dark in the thermal image; none: the scene's edges"
    )
    size: tuple[int, int] = setting(
        (9, 6),
        "columns and rows of a pattern: inner corners of a checkerboard, circles, squares of a ChArUco board",
        2,
        100,
    )
    square: float = setting(
        0.0,
        "side of a pattern's square, or from circle to circle, metres: lenses and pose are calibrated, for a target at "
        "any distance; 0: a homography, for what is far off or as far as the pattern",
        0,
        10,
    )
    distance: float = setting(20.0, "with square: assumed distance of the target, metres", 0.1, 100_000)
    dictionary: str = setting("4X4_50", "of the markers of a ChArUco board, by OpenCV's name without DICT_")
    frames: int = setting(
        20, "frames that are looked at, spread over the recording; of live cameras two a second", 1, 1000
    )
    max_error: float = setting(
        1.5,
        "largest error to be expected, root mean square over the image, thermal pixels; with more it is refused",
        Above(0),
    )

    def __post_init__(self) -> None:
        check(self)
