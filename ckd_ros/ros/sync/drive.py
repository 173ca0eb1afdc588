"""`sync.drive`: which stream gives the rate of the pairs, where the cameras' rates differ."""

from __future__ import annotations

from collections.abc import Mapping

from ckd_ros.ros.sync.matching import other_stream
from ckd_ros.ros.sync.streams import RGB, THERMAL, Stream

#: What `sync.drive` can be.
DRIVES = ("auto", "pair", "rgb", "thermal", "fastest")
#: Rates differ, for `auto`, where one is more than this times the other; they no longer do below the second.
_DIFFER, _AGREE = 4 / 3, 1.2
#: A driving stream stays it until the other is this times as fast.
_FASTER = 1.1


class Drive:
    """Decides from the rates of two streams which of them drives.

    Args:
        setting: one of `DRIVES`.

    Attributes:
        stream: the stream each image of which makes a pair, with the other's newest; None: images of one moment make
            pairs, each used once.
        reason: what it does and why, for a person; empty before anything was decided.
    """

    def __init__(self, setting: str) -> None:
        self.setting = ""
        self.configure(setting)

    def configure(self, setting: str) -> None:
        """Take over a setting; where it is another one, all is open again until the next image."""
        if setting not in DRIVES:
            raise ValueError(f"sync.drive is '{setting}': expected one of {', '.join(DRIVES)}")
        if setting != self.setting:
            self.setting, self.reason = setting, ""
            self.stream: str | None = setting if setting in (RGB, THERMAL) else None

    def update(self, streams: Mapping[str, Stream]) -> bool:
        """Decide anew, now that an image has arrived. Returns whether there is another decision.

        Before both rates are known, `auto` and `fastest` leave it at pairs of one moment.
        """
        former, rates = self.stream, {name: stream.rate() for name, stream in streams.items()}
        shown = f"colour {rates[RGB]:.1f} Hz, thermal {rates[THERMAL]:.1f} Hz"
        if self.setting in ("auto", "fastest"):
            if not all(rates.values()):
                return False
            self.stream = self._choose(rates)
        else:
            shown = f"sync.drive is {self.setting}"
        if self.reason and self.stream == former:
            return False
        what = "images of one moment are paired"
        if self.stream is not None:
            other = other_stream(self.stream)
            what = f"each {self.stream} image is tracked, with the newest {other} image"
        self.reason = f"{what} ({shown})"
        return True

    def _choose(self, rates: Mapping[str, float]) -> str | None:
        faster = self.stream or RGB
        if rates[other_stream(faster)] > _FASTER * rates[faster]:
            faster = other_stream(faster)
        limit = 0.0 if self.setting == "fastest" else _DIFFER if self.stream is None else _AGREE
        return faster if rates[faster] > limit * rates[other_stream(faster)] else None
