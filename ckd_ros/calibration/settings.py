"""What a calibration takes, and what it is content with."""

from __future__ import annotations

from dataclasses import dataclass

from ckd_ros.settings import Above, check, setting


@dataclass(frozen=True)
class CalibrationSettings:
    """How a registration is looked for. Raises ValueError for a value out of range."""

    frames: int = setting(
        20, "frames that are looked at, spread over the recording; of live cameras two a second", 1, 1000
    )
    max_error: float = setting(
        3.0,
        "largest error to be expected, root mean square over the image, thermal pixels; with more it is refused",
        Above(0),
    )

    def __post_init__(self) -> None:
        check(self)
