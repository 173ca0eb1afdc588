"""How far each camera's image can be relied on: a weight, and in words what is wrong with it.

What counts is what an image still shows, not how it looks: one that is dark, of low contrast, or of a fast turn is as
good as it shows structure above its noise. It is called bad where it shows none (black, white, a closed shutter), where
most of its contrast has gone at once (smoke, fog, a covered lens), where light or noise drowns it as neither did
before, or where it is torn or rows of it are empty. What lasts becomes usual within some ten seconds, except to show
nothing. The same picture with another gain is no worse where it is stretched anyway, as a thermal image is.

A bad image is left out while the other camera's is good: the network follows one good image better than a good and a
bad one, however faint that is made. Where both are bad, there is nothing better to go by.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from ckd_ros.frames import ENCODINGS, FramePair, Image
from ckd_ros.tracking.image_statistics import Measurements, RowCheck, Statistics, Tear

#: From this weight on an image is good.
GOOD = 0.5
#: Between these a weight rises from 0 to 1: structure, in counts and in standard deviations of the noise; detail, as a
#: part of what was usual; structure in those of a noise that has become so many times as strong at once.
_COUNTS, _ABOVE_NOISE, _REMAINING, _ABOVE_NEW_NOISE, _NOISIER = (0.2, 0.5), (0.15, 0.4), (0.08, 0.25), (0.3, 1.2), 3.0
#: The cameras, by the names that the network gives them.
_STREAMS = {"rgb": "rgb", "tir": "thermal"}
#: Share of the image that has become overexposed: from which on it counts less, and at which not at all.
_MORE_LIGHT = (0.1, 0.8)
#: Share of the rows that may become empty at once: of a black sky in a thermal image.
_SOME_EMPTY = 0.1
#: Detail that is as good as none, counts: so that what shows little may show less.
_LITTLE = 1.0
#: Weight of an image in what is usual, where it is good and where it is not: a third of a second and twenty at 30 Hz.
_RATE, _RATE_BAD = 1 / 10, 1 / 600
#: From one good image to the next, contrast that is so many times as much or as little, or a level that moved by so
#: many standard deviations, is a jump.
_OTHER_GAIN, _OTHER_LEVEL = 1.25, 0.5
#: Levels up to which, and from which on, an image that shows nothing is called black or white, of its largest value.
_BLACK, _WHITE = 0.1, 0.9


@dataclass(frozen=True)
class Verdict:
    """How far an image can be relied on.

    Attributes:
        weight: from 0, not at all, to 1.
        reason: in words what is wrong with it; empty while it is good.
        jump: in words by how much its gain and level changed at once; empty where they did not.
    """

    weight: float = 1.0
    reason: str = ""
    jump: str = ""


@dataclass(frozen=True)
class JudgedPair:
    """A pair with what its images are worth.

    Attributes:
        pair: without an image that is left out.
        weights: of the images that are left, `rgb` and `tir` as the network names them, [GOOD, 1].
        doubtful: which images are bad, whether they are left or not.
        jumped: of which the gain or the level changed at once.
        problems: what is wrong with them: key -> what, and what is done.
    """

    pair: FramePair
    weights: dict[str, float]
    doubtful: frozenset[str] = frozenset()
    jumped: frozenset[str] = frozenset()
    problems: dict[str, str] = field(default_factory=dict)


class ImageQuality:
    """Judges the pairs of a stream.

    Args:
        measurements: of the images; None: of its own.

    Attributes:
        left_out: how many images of each camera were left out so far.
    """

    def __init__(self, measurements: Measurements | None = None) -> None:
        self.left_out = {"rgb": 0, "thermal": 0}
        self._last_reasons: dict[str, str] = {}
        measurements = measurements or Measurements()
        self._monitors = {
            "rgb": QualityMonitor(measurements=measurements),
            "tir": QualityMonitor(stretched=True, measurements=measurements),
        }

    def of(
        self, pair: FramePair, showing: Collection[str] = ("rgb", "tir"), needed: Collection[str] = ()
    ) -> JudgedPair:
        """What the images of a pair are worth, of which those in `showing` can show the target.

        Those in `needed` are not left out, as the target was drawn in them.
        """
        images = {name: image for name, image in (("rgb", pair.rgb), ("tir", pair.thermal)) if image is not None}
        verdicts = {name: self._monitors[name].judge(image) for name, image in images.items()}
        doubtful = frozenset(name for name, verdict in verdicts.items() if verdict.weight < GOOD)
        weights, problems = {}, {}
        for name, verdict in verdicts.items():
            other_is_good = any(one in showing and one not in doubtful for one in verdicts if one != name)
            stream = _STREAMS[name]
            if verdict.jump:
                said = f"the {stream} image changed at once: {verdict.jump} (a shutter event, or another exposure?)"
                problems[f"{stream} gain"] = said
            if name in doubtful:
                if name in needed:
                    done = "used, as the target was drawn in it"
                elif other_is_good:
                    done = "left out"
                else:
                    done = f"used, as {'the other camera shows no more' if len(verdicts) > 1 else 'there is no other'}"
                problems[f"{stream} quality"] = f"the {stream} image {verdict.reason}: {done}"
            if not other_is_good or name in needed:
                weights[name] = 1.0
            elif name not in doubtful:
                weights[name] = verdict.weight
            else:
                self.left_out[stream] += 1
                self._last_reasons[stream] = verdict.reason
        if "rgb" in verdicts and "rgb" not in weights:
            pair = replace(pair, rgb=None, stamp=None)
        if "tir" in verdicts and "tir" not in weights:
            pair = replace(pair, thermal=None, thermal_stamp=None)
        jumped = frozenset(name for name, verdict in verdicts.items() if verdict.jump)
        return JudgedPair(pair, weights, doubtful, jumped, problems)

    def describe(self) -> list[str]:
        """What was left out so far, a sentence for each camera."""
        return [
            f"{count} {stream} image(s) were left out while the other camera showed the scene: the last one "
            f"{self._last_reasons[stream]}"
            for stream, count in self.left_out.items()
            if count
        ]


class QualityMonitor:
    """Judges the images of one camera.

    Args:
        stretched: whether the range of its images is stretched, so that their contrast alone matters little.
        measurements: of the images; None: of its own.
    """

    def __init__(self, stretched: bool = False, measurements: Measurements | None = None) -> None:
        self._stretched, self._measurements = stretched, measurements or Measurements()
        self._usual: Statistics | None = None
        self._format: tuple[tuple[int, int], str] | None = None
        self._rows = RowCheck()
        self._good: Statistics | None = None
        self._last: tuple[Image, Verdict] | None = None

    def judge(self, image: Image) -> Verdict:
        """How far the next image can be relied on; the same one given again gets the same verdict."""
        if self._last is None or self._last[0] is not image:
            if self._format != (image.size, image.encoding):
                self._format, self._usual, self._good = (image.size, image.encoding), None, None
            now = self._measurements.of(image)
            gain = None if self._good is None else now.gain_since(self._good)
            verdict = self._judge(image, now, self._rows.see(image, now.row_steps), gain)
            self._last = image, replace(verdict, jump="")
            return verdict
        return self._last[1]

    def _judge(self, image: Image, now: Statistics, tear: Tear | None, gain: float | None) -> Verdict:
        """The verdict on an image that has `gain` times the contrast of the last good one, None where it shows another
        picture."""
        shown = min(_ramp(now.structure, *_COUNTS), _ramp(now.structure, *(now.noise * n for n in _ABOVE_NOISE)))
        if shown < GOOD:
            return Verdict(shown, f"shows nothing ({_colour(image, now.level)}, level {now.level:.0f})")
        if self._usual is None:
            self._usual = now
        found = _changes(self._usual, now, tear)
        if not self._stretched or gain is None:
            found.append(_contrast(self._usual, now))
        verdict = min([Verdict(shown), *found], key=lambda one: one.weight)
        if verdict.weight < GOOD:
            self._learn(now, _RATE_BAD)
            return verdict
        jump = "" if self._good is None or gain is None else _jump(self._good, now, gain)
        self._learn(now, 1.0 if jump else _RATE)
        self._good = now
        return Verdict(verdict.weight, jump=jump)

    def _learn(self, now: Statistics, rate: float) -> None:
        """Take an image into what is usual; its contrast and noise by their ratios, as they span decades."""
        assert self._usual is not None, "set by the first image that shows something"
        usual, least = self._usual, 1e-3
        # rows that become empty one after the other are a sky that comes into view
        rate_of_rows = 1.0 if rate > _RATE_BAD else rate
        self._usual = replace(
            usual,
            detail=max(usual.detail, least) * (max(now.detail, least) / max(usual.detail, least)) ** rate,
            noise=max(usual.noise, least) * (max(now.noise, least) / max(usual.noise, least)) ** rate,
            overexposed=usual.overexposed + rate * (now.overexposed - usual.overexposed),
            empty_rows=usual.empty_rows + rate_of_rows * (now.empty_rows - usual.empty_rows),
        )


def _changes(usual: Statistics, now: Statistics, tear: Tear | None) -> list[Verdict]:
    """What has become worse than usual, besides the contrast."""
    found = []
    light = now.overexposed - usual.overexposed
    found.append(Verdict(1 - _ramp(light, *_MORE_LIGHT), f"is overexposed ({100 * now.overexposed:.0f} % of it)"))
    if now.noise > _NOISIER * max(usual.noise, 1.0):
        above = _ramp(now.structure, *(now.noise * n for n in _ABOVE_NEW_NOISE))
        found.append(Verdict(above, f"is drowned in noise (standard deviation {now.noise:.0f})"))
    lost = max(0.0, now.empty_rows - usual.empty_rows - _SOME_EMPTY)
    found.append(Verdict(max(0.0, 1 - 2 * lost), f"has {100 * now.empty_rows:.0f} % of its rows empty"))
    if tear is not None:
        found.append(Verdict(0.0, f"is torn (displaced by {tear.shift} pixels from row {tear.row} on)"))
    return found


def _contrast(usual: Statistics, now: Statistics) -> Verdict:
    remaining = (now.detail + _LITTLE) / (usual.detail + _LITTLE)
    return Verdict(_ramp(remaining, *_REMAINING), f"shows {100 * remaining:.0f} % of the contrast that it had")


def _jump(former: Statistics, now: Statistics, gain: float) -> str:
    """What changed at once since the last good image, in words; empty where nothing did."""
    moved = abs(now.level - former.level) / max(former.structure, 1e-6)
    if 1 / _OTHER_GAIN < gain < _OTHER_GAIN and moved < _OTHER_LEVEL:
        return ""
    return f"{gain:.2f} times the contrast, level {former.level:.0f} to {now.level:.0f}"


def _ramp(value: float, low: float, high: float) -> float:
    """From 0 at `low` to 1 at `high`; 1 from there on."""
    return float(np.clip((value - low) / (high - low), 0.0, 1.0)) if high > low else float(value >= high)


def _colour(image: Image, level: float) -> str:
    share = level / ENCODINGS[image.encoding].white
    return "black" if share <= _BLACK else "white" if share >= _WHITE else "grey"
