"""Follows one target through pairs of colour and thermal images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from ckd_ros import geometry
from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import crop_window
from ckd_ros.settings import check, setting
from ckd_ros.tracking.box_correction import PLACES, BoxCorrection
from ckd_ros.tracking.confidence import ConfidenceConfig, ConfidenceMonitor, TrackState
from ckd_ros.tracking.decoding import Detection, decode, hann, keep_inside, visible_part
from ckd_ros.tracking.engine.onnx_engine import OnnxEngine
from ckd_ros.tracking.inputs import NetworkInputs
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.registration import Registration, Size
from ckd_ros.tracking.search import LostSearch
from ckd_ros.tracking.thermal import ThermalConfig, ThermalNormalizer

#: Smallest box that can be followed, pixels each way.
_SMALLEST = 2.0


@dataclass(frozen=True)
class TrackerConfig:
    """How the network's output becomes a box, and when a target counts as uncertain or lost.

    Raises ValueError for a value out of range.
    """

    window_weight: float = setting(
        0.4, "pull of the Hann window towards the last position: 0 none, 1 the method's full window", 0.0, 1.0
    )
    box_correction: float = setting(
        0.6, "part of the network's error on the first image that is taken off later boxes; set at init", 0.0, 1.0
    )
    size_momentum: float = setting(0.9, "weight of the box's size so far against the newly found size", 0.0, 0.99)
    inside_margin: float = setting(10.0, "pixels of the box that always stay inside the image", 1.0, 1000.0)
    lost_windows: int = setting(
        2, "search windows per frame while LOST, besides the last position; each costs one inference", 0, 64
    )
    lost_step: float = setting(0.5, "distance of those windows, in sides of a search window", 0.1, 1.0)
    confidence: ConfidenceConfig = field(default_factory=ConfidenceConfig)
    thermal: ThermalConfig = field(default_factory=ThermalConfig)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrackResult:
    """One frame's answer.

    Attributes:
        box: `(4,)` the visible part of the target, `(x, y, w, h)` in RGB pixels. While LOST: where it was last. In
            pixels of the thermal image as long as no RGB image has ever come.
        thermal_box: `(4,)` the same in pixels of the thermal image; NaN as long as no thermal image has come.
        confidence: score of the box's cell, [0, 1]. While LOST: the best score found anywhere in this frame.
        state: what the tracker believes.
        used_rgb, used_thermal: which images the answer rests on.
        registration_offset: (dx, dy) thermal pixels from the configured to the measured registration; zero where it is
            not measured, as everywhere so far.
        inference_s, total_s: seconds in the network and in the whole call.
    """

    box: np.ndarray
    thermal_box: np.ndarray
    confidence: float
    state: TrackState
    used_rgb: bool
    used_thermal: bool
    registration_offset: tuple[float, float] = (0.0, 0.0)
    inference_s: float = 0.0
    total_s: float = 0.0


class Tracker:
    """`init` on one pair, then `update` on each that follows. Not for use by several threads at once.

    Images may be missing, come back, and change their size or encoding at any time. A modality takes part while its
    image is there and its template is known: one that was missing at `init` gets its template at the first frame in
    which the other is confident.

    Args:
        engine: the network.
        registration: from RGB to thermal pixels; None: both images show the same field of view.
        config: see `TrackerConfig`.
    """

    def __init__(
        self, engine: OnnxEngine, registration: Registration | None = None, config: TrackerConfig | None = None
    ) -> None:
        self.engine = engine
        self._views = PairGeometry(registration or Registration())
        self._box: np.ndarray | None = None
        self._lost: LostSearch | None = None
        self._set_config(config or TrackerConfig())

    @property
    def state(self) -> TrackState:
        return TrackState.IDLE if self._box is None else self._monitor.state

    def configure(self, config: TrackerConfig, registration: Registration) -> None:
        """Change the settings between two frames; the target stays."""
        self._set_config(config)
        self._views.change_registration(registration)
        if self._box is not None:
            self._monitor.config, self._thermal.config = config.confidence, config.thermal

    def _set_config(self, config: TrackerConfig) -> None:
        self.config = config
        weight = config.window_weight
        self._prior = ((1 - weight) + weight * hann(self.engine.grid)).astype(np.float32)

    def init(self, pair: FramePair, box: np.ndarray, drawn_in: str = "rgb") -> TrackResult:
        """Start following what is inside `box` `(x, y, w, h)`.

        Args:
            pair: the images the box was drawn in; one may be missing.
            drawn_in: the image in whose pixels the box is: `rgb` (its size is known from earlier frames if it is
                missing, and the thermal image stands in for it if it has never come) or `thermal`.

        Raises ValueError for a box that cannot be followed; the target followed so far is then still followed.
        """
        start = time.perf_counter()
        self._observe_sizes(pair)
        self._box = self._start_box(pair, box, drawn_in)
        self._lost = None
        self._inference_s = 0.0
        self._monitor = ConfidenceMonitor(self.config.confidence)
        self._thermal = ThermalNormalizer(self.config.thermal)
        self._tensors = NetworkInputs(self.engine.spec, self._views, self._thermal)
        self._observe_range(pair)
        self._tensors.cut_templates(pair, self._box)
        self._calibration = self._calibrate(pair)
        return self._result(1.0, pair.rgb is not None, pair.thermal is not None, start)

    def update(self, pair: FramePair) -> TrackResult:
        """Find the target in the next pair. Raises RuntimeError before `init`."""
        if self._box is None:
            raise RuntimeError("no target to follow: call init(pair, box) before update(pair)")
        start = time.perf_counter()
        self._inference_s = 0.0
        self._observe_sizes(pair)
        self._observe_range(pair)
        rgb = pair.rgb if self._tensors.has_template("rgb") else None
        thermal = pair.thermal if self._tensors.has_template("tir") else None

        if self._monitor.state is TrackState.LOST:
            confidence = self._search(rgb, thermal)
        else:
            confidence = self._follow(rgb, thermal)
        if self._monitor.state is TrackState.TRACKING and confidence >= self.config.confidence.tracking_above:
            self._tensors.cut_templates(pair, self._box)
        return self._result(confidence, rgb is not None, thermal is not None, start)

    def _start_box(self, pair: FramePair, box: np.ndarray, drawn_in: str) -> np.ndarray:
        """The box to start with, in RGB pixels. Raises ValueError where it cannot be followed."""
        if drawn_in == "rgb":
            return _checked_box(box, self._views.size)
        if drawn_in != "thermal":
            raise ValueError(f"the box was drawn in '{drawn_in}': expected rgb or thermal")
        if pair.thermal is None:
            raise ValueError("the box was drawn in the thermal image, but there is none")
        box = _checked_box(box, (pair.thermal.width, pair.thermal.height))
        return _checked_box(geometry.transform_box(np.linalg.inv(self._views.rgb_to_thermal), box), self._views.size)

    def _calibrate(self, pair: FramePair) -> BoxCorrection:
        """What the network gets wrong about the box in the very images it was drawn in."""
        self._calibration = BoxCorrection.none()
        if self.config.box_correction == 0.0:
            return self._calibration
        side = np.sqrt(self._box[2] * self._box[3])
        places = [self._box + [dx * side, dy * side, 0.0, 0.0] for dx, dy in PLACES]
        finds = [self._look(pair.rgb, pair.thermal, place, self._prior) for place in places]
        enough = self.config.confidence.uncertain_below
        boxes = [find.box for find in finds if find is not None and find.confidence >= enough]
        return BoxCorrection.measure(boxes, self._box, self.config.box_correction)

    def _follow(self, rgb: Image | None, thermal: Image | None) -> float:
        """Look around the last position and move the box as far as the evidence carries. Returns the confidence."""
        find = self._look(rgb, thermal, self._box, self._prior)
        confidence = find.confidence if find else 0.0
        thresholds = self.config.confidence
        state = self._monitor.update(confidence)
        if state is TrackState.LOST:
            self._start_search()
        elif find is not None and confidence >= thresholds.lost_below:
            # On weak evidence only the position follows: a size once wrong spoils the scale of every later crop.
            grow = state is TrackState.TRACKING and confidence >= thresholds.uncertain_below
            self._move(find.box, self.config.size_momentum if grow else 1.0)
        return confidence

    def _search(self, rgb: Image | None, thermal: Image | None) -> float:
        """Look for a lost target. Returns the best score found."""
        search, enough = self._lost, self.config.confidence.reacquire_above
        finds = [self._look(rgb, thermal, place) for place in search.places(self.config.lost_windows)]
        scores = [find.confidence if find else 0.0 for find in finds]
        confirms = search.followed is not None and scores[0] >= enough
        best = 0 if confirms else int(np.argmax(scores))
        if not confirms:
            self._monitor.restart_search()
        state = self._monitor.update(scores[best])
        if state is TrackState.TRACKING:
            self._lost = None
            self._move(finds[best].box, self.config.size_momentum)
        else:
            search.followed = self._moved(finds[best].box, 1.0) if scores[best] >= enough else None
        return scores[best]

    def _look(
        self, rgb: Image | None, thermal: Image | None, box: np.ndarray, prior: np.ndarray | None = None
    ) -> Detection | None:
        """What the network finds in the search window around a box; None without an image to look at."""
        if rgb is None and thermal is None:
            return None
        window = crop_window(box, self.engine.spec.search_factor)
        inputs = self._tensors.inputs(rgb, thermal, window)
        start = time.perf_counter()
        maps = self.engine.run(inputs)
        self._inference_s += time.perf_counter() - start
        find = decode(*maps, window, prior)
        return None if find is None else Detection(self._calibration.correct(find.box), find.confidence)

    def _move(self, found: np.ndarray, momentum: float) -> None:
        self._box = self._moved(found, momentum)

    def _moved(self, found: np.ndarray, momentum: float) -> np.ndarray:
        """The box at the centre of `found`; `momentum` of its size is kept."""
        size = momentum * self._box[2:] + (1 - momentum) * found[2:]
        size = np.clip(size, _SMALLEST, np.maximum(self._views.size, _SMALLEST))
        box = np.concatenate([geometry.centre(found) - size / 2, size])
        return keep_inside(box, self._views.size, self.config.inside_margin)

    def _observe_sizes(self, pair: FramePair) -> None:
        change = self._views.observe(pair)
        if change is None or self._box is None:
            return
        self._box = geometry.transform_box(change, self._box)
        if self._lost is not None:
            self._start_search()

    def _observe_range(self, pair: FramePair) -> None:
        if pair.thermal is not None:
            self._thermal.update(pair.thermal)

    def _start_search(self) -> None:
        self._monitor.restart_search()
        side = crop_window(self._box, self.engine.spec.search_factor).side
        self._lost = LostSearch(self._box, self._views.size, self.config.lost_step * side)

    def _result(self, confidence: float, used_rgb: bool, used_thermal: bool, start: float) -> TrackResult:
        views = self._views
        box = visible_part(self._box, views.size, self.config.inside_margin)
        mapped = views.rgb_to_thermal is not None
        thermal_box = geometry.transform_box(views.rgb_to_thermal, box) if mapped else np.full(4, np.nan)
        return TrackResult(
            box=box,
            thermal_box=thermal_box,
            confidence=confidence,
            state=self._monitor.state,
            used_rgb=used_rgb,
            used_thermal=used_thermal,
            inference_s=self._inference_s,
            total_s=time.perf_counter() - start,
        )


def _checked_box(box: np.ndarray, size: Size) -> np.ndarray:
    """A copy of a box that can be followed in an image of `size`; ValueError says why it cannot."""
    box = np.array(box, float)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ValueError(f"the box is {box.tolist()}: expected four finite numbers x, y, width, height")
    x, y, w, h = box
    shown = f"the box x {x:g}, y {y:g}, width {w:g}, height {h:g}"
    if not (w > 0 and h > 0):
        raise ValueError(f"{shown} has no area: width and height must be positive")
    inside = np.minimum(box[:2] + box[2:], size) - np.maximum(box[:2], 0.0)
    if inside.min() < _SMALLEST:
        raise ValueError(
            f"{shown} has less than {_SMALLEST:g} x {_SMALLEST:g} pixels inside the image of {size[0]} x {size[1]}: "
            f"draw it on the target, in pixels of this image"
        )
    return box
