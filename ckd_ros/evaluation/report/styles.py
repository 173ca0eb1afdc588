"""Colour, dashes and marker of each tracker, the same in every plot, chart and picture of a report."""

from __future__ import annotations

from dataclasses import dataclass

#: Colours that people with any colour vision tell apart (Okabe and Ito), without the yellow that white paper swallows
#: and the black that a dark page does.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ((), (6, 2), (2, 1.5), (6, 1.5, 1.5, 1.5))
_MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class PlotStyle:
    """Colour (`#rrggbb`), lengths of dashes and gaps in line widths (none: a solid line) and matplotlib's marker."""

    colour: str
    dashes: tuple[float, ...]
    marker: str

    @property
    def bgr(self) -> tuple[int, int, int]:
        red, green, blue = (int(self.colour[place : place + 2], 16) for place in (1, 3, 5))
        return blue, green, red


def plot_style(place: int) -> PlotStyle:
    """The style of the tracker at `place` among the trackers, best first: the first six differ in colour alone."""
    turn = place // len(COLOURS)
    return PlotStyle(COLOURS[place % len(COLOURS)], _DASHES[turn % len(_DASHES)], _MARKERS[place % len(_MARKERS)])
