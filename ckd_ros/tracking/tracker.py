"""The tracker: follows one target through pairs of colour and thermal images."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ckd_ros.frames import FramePair, Image
from ckd_ros.geometry import FloatArray, crop_window, visible_part
from ckd_ros.settings import check, setting
from ckd_ros.tracking.box_correction import BoxCorrection
from ckd_ros.tracking.confidence import ConfidenceConfig, ConfidenceMonitor, TrackState
from ckd_ros.tracking.decoding import Detection, hann_window
from ckd_ros.tracking.engine.spec import Engine
from ckd_ros.tracking.first_look import FIRST_WINDOWS, NEAR, first_boxes, scale_dependence, sureness
from ckd_ros.tracking.identity import Identity, view_of
from ckd_ros.tracking.image_quality import ImageQuality
from ckd_ros.tracking.image_statistics import Measurements
from ckd_ros.tracking.inference import Steps, run_steps
from ckd_ros.tracking.inputs import NetworkInputs
from ckd_ros.tracking.lost_search import LostSearch
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.refinement import FIRST, Refinement
from ckd_ros.tracking.registration import Registration
from ckd_ros.tracking.repeats import NewImages
from ckd_ros.tracking.size_hold import SizeHold
from ckd_ros.tracking.target import Target, initial_box
from ckd_ros.tracking.target_finder import TargetFinder
from ckd_ros.tracking.thermal import ThermalConfig, ThermalNormalizer

#: Score from which on a target is seen for certain, and a narrow search window is enough.
_SURE = 0.5
#: Score below which it is asked what else there is beside the target; of what is told from it then, and followed.
_CERTAIN, _LIKE, _SHOWN = 0.9, 0.5, 0.3


@dataclass(frozen=True)
class TrackerConfig:
    """How the network's output becomes a box, and when a target counts as uncertain or lost.

    Raises ValueError for a value out of range.
    """

    window_weight: float = setting(
        0.5, "pull of the Hann window towards the last position: 0 none, 1 the method's full window", 0.0, 1.0
    )
    box_correction: float = setting(
        0.8, "part of the network's error on the first image that is taken off later boxes; set at init", 0.0, 1.0
    )
    size_momentum: float = setting(0.7, "weight of the box's size so far against the newly found size", 0.0, 0.99)
    size_hold: float = setting(
        1.0,
        "how firmly the size stays near the first one where the network hardly sees it, as of small targets: 0 not at "
        "all; set at init",
        0.0,
        1.0,
    )
    lead: float = setting(
        0.6, "part of the target's motion so far by which each search goes ahead of the last position", 0.0, 1.0
    )
    inside_margin: float = setting(10.0, "pixels of the box that always stay inside the image", 1.0, 1000.0)
    lost_windows: int = setting(
        2, "search windows per frame while LOST, besides the last position; each costs one inference", 0, 64
    )
    lost_step: float = setting(0.5, "distance of those windows, in sides of a search window", 0.1, 1.0)
    refine_bound: float = setting(
        0.2,
        "largest shift of the target's thermal image that is measured beside the registration, and taken off, in sides "
        "of its box; 0: none is measured",
        0.0,
        0.4,
    )
    confidence: ConfidenceConfig = setting(ConfidenceConfig(), "when the state changes")
    thermal: ThermalConfig = setting(ThermalConfig(), "how thermal counts become grey values")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrackResult:
    """What was found in one frame.

    Attributes:
        box: `(4,)` the visible part of the target, `(x, y, w, h)` in RGB pixels. While LOST: where it was last, moved
            on with the camera. In pixels of the thermal image as long as no RGB image has ever come.
        thermal_box: `(4,)` the same in pixels of the thermal image; NaN where that does not show it, or none has come.
        confidence: probability that the box overlaps the target by half, [0, 1], see `reliability`. Of `init`: how sure
            the network is of what was drawn, see `first_look.sureness`.
        score: how much the images support the box, [0, 1], which the state rests on (`ConfidenceConfig`). While LOST:
            that of the best find in this frame.
        position_stddev: standard deviation of the box's centre along x, and along y, in pixels, > 0. It grows while the
            target is not seen.
        state: what the tracker believes.
        used_rgb, used_thermal: which images it rests on.
        registration_offset: (dx, dy) thermal pixels by which the thermal image shows the target off from where the
            registration maps it; zero where that is not measured, or not for sure.
        registration_deviation: standard deviation of the measured offset, thermal pixels; NaN where none is measured.
        problems: what is wrong with the images, and with the registration for them and this box: key -> what, and what
            is or should be done.
        inference_s, total_s: seconds in the network and in the whole call.
        rgb_weight, thermal_weight: what each image counted, [0, 1]; 0: it was not used. One that shows less than usual,
            or is old, counts less than 1.
    """

    box: FloatArray
    thermal_box: FloatArray
    confidence: float
    state: TrackState
    used_rgb: bool
    used_thermal: bool
    registration_offset: tuple[float, float] = (0.0, 0.0)
    registration_deviation: float = math.nan
    problems: Mapping[str, str] = field(default_factory=dict)
    inference_s: float = 0.0
    total_s: float = 0.0
    rgb_weight: float = 0.0
    thermal_weight: float = 0.0
    score: float = 0.0
    position_stddev: float = 0.0

    def describe_registration_offset(self) -> str:
        """The measured offset and how sure it is, for a person."""
        if math.isnan(self.registration_deviation):
            return "not measured"
        x, y = self.registration_offset
        if not (x or y):
            return f"none taken off; it is not known better than to {self.registration_deviation:.1f} px"
        return f"x {x:+.1f}, y {y:+.1f} thermal px, known to {self.registration_deviation:.1f} px"


class Tracker:
    """`init` on one pair, then `update` on each that follows. Not for use by several threads at once.

    Images may be missing, come back, and change their size or encoding at any time. A modality takes part while its
    image is there and its template is known: one that was missing at `init` gets its template at the first frame in
    which the other is confident.

    Args:
        engine: the network.
        registration: from RGB to thermal pixels; None: both images show the same field of view.
        config: see `TrackerConfig`.
        known: what is known of the images from before the first `init`; None: nothing.
        measurements: of the images, which other trackers share; None: of its own.

    Attributes:
        new_images: leaves out images that repeat the ones before them, and counts them.
        quality: leaves out images that are bad, and counts them; anew for each target.
        finder: asks the network; its `taken` are the boxes in which other targets are, for the next `update`.
        narrow: a target that was just seen for certain is looked for in a narrower window first, of
            `Engine.narrow_size`, where there is one.
    """

    def __init__(
        self,
        engine: Engine,
        registration: Registration | None = None,
        config: TrackerConfig | None = None,
        known: PairGeometry | None = None,
        measurements: Measurements | None = None,
    ) -> None:
        self.engine = engine
        self.registration = registration or Registration()
        self._target: Target | None = None
        self._known = known
        self.new_images = NewImages()
        self._measurements = measurements or Measurements()
        self.quality = ImageQuality(self._measurements)
        self.finder = TargetFinder(engine)
        self.narrow = False
        self._set_config(config or TrackerConfig())

    @property
    def state(self) -> TrackState:
        return TrackState.IDLE if self._target is None else self._target.monitor.state

    def configure(self, registration: Registration, config: TrackerConfig) -> None:
        """Change the settings between two frames; the target stays."""
        anew = registration != self.registration or config.refine_bound != self.config.refine_bound
        self._set_config(config)
        self.registration = registration
        if self._target is not None:
            if anew:
                self._target.set_refinement(self._new_refinement())
            self._target.pair_geometry = replace(self._target.pair_geometry, registration=registration)
            self._target.monitor.config, self._target.thermal.config = config.confidence, config.thermal

    def _set_config(self, config: TrackerConfig) -> None:
        self.config = config
        weight = config.window_weight
        self._prior = ((1 - weight) + weight * hann_window(self.engine.grid)).astype(np.float32)

    def _new_refinement(self) -> Refinement | None:
        return Refinement(self.config.refine_bound) if self.config.refine_bound > 0 else None

    def init(
        self, pair: FramePair, box: npt.ArrayLike, drawn_in: str = "rgb", min_confidence: float = 0.0
    ) -> TrackResult:
        """Start following what is inside `box` `(x, y, w, h)`.

        Args:
            pair: the images the box was drawn in; one may be missing.
            drawn_in: the image in whose pixels the box is: `rgb` (its size is known from earlier frames if it is
                missing, and the thermal image stands in for it if it has never come) or `thermal`.
            min_confidence: what the network is less sure of is not followed.

        Raises ValueError for a box that cannot be followed, or is not. Whatever is raised, also by the engine, the
        former target (if any) stays exactly as it was and is still followed.
        """
        start = time.perf_counter()
        self.finder.inference_s = 0.0
        self.new_images.of(pair)
        if pair.timing is not None:
            pair = replace(pair, timing=pair.timing.at_image(drawn_in))
        quality = ImageQuality(self._measurements)
        judged = quality.of(pair, needed=("tir",) if drawn_in == "thermal" else ("rgb",))
        pair = judged.pair
        target = self._new_target(pair, box, drawn_in, judged.doubtful)
        rgb, thermal = target.inputs.known_images(pair)
        target.place(None, judged.weights)
        (confidence,) = run_steps(self.engine, [self._look_around(target, rgb, thermal)])
        if confidence < min_confidence:
            raise ValueError(
                f"the network is not sure of what was drawn: its confidence is {confidence:.2f}, min_confidence is "
                f"{min_confidence:g}; draw the box around the whole target and nothing else"
            )
        target.note_path(pair.timing)
        target.learn_looks(rgb, thermal, target.box)
        rgb_used, thermal_used = rgb is not None, thermal is not None
        result = self._result(target, confidence, confidence, rgb_used, thermal_used, judged.problems, start)
        target.former = pair
        self._target, self.quality = target, quality
        return result

    def update(self, pair: FramePair) -> TrackResult:
        """Find the target in the next pair. Raises RuntimeError before `init`.

        An image that is identical to the one before it is not used if the other one is new (see `repeats`), and one
        that is bad is not used if the other one is good (see `image_quality`).
        """
        return run_steps(self.engine, [self.steps(pair)])[0]

    def steps(self, pair: FramePair) -> Steps[TrackResult]:
        """`update`, which asks the network where `run_steps` can answer what other targets ask at the same time."""
        target = self._target
        if target is None:
            raise RuntimeError("no target to follow: call init(pair, box) before update(pair)")
        start = time.perf_counter()
        self.finder.inference_s = 0.0
        pair = self.new_images.of(pair)
        self._observe_sizes(target, pair)
        judged = self.quality.of(pair, target.showing(pair))
        pair = judged.pair
        target.appearance.forget(judged.jumped)
        if "tir" in judged.jumped:
            target.thermal.restart()
        target.observe_range(pair)
        rgb, thermal = target.inputs.known_images(pair)
        used_thermal = thermal is not None and target.pair_geometry.shows(target.box)
        target.place(pair.timing, judged.weights)
        target.go_along(pair)
        target.go_on(pair)
        target.whereabouts.after_gap = target.path.has_gap(pair.timing)

        if target.search is None:
            score = yield from self._follow(target, pair, rgb, thermal)
        else:
            score = yield from self._redetect(target, target.search, rgb, thermal)
        confidence = self._judge(target, score, pair)
        target.note_path(pair.timing)
        target.former = pair
        if target.monitor.state is TrackState.TRACKING and score >= self.config.confidence.tracking_above:
            target.place(pair.timing, judged.weights)
            misplaced = target.misplaced(pair.timing) | judged.doubtful
            if not misplaced:
                target.refine(rgb, thermal)
            target.inputs.cut_templates(pair, target.box, target.pair_geometry, misplaced)
        return self._result(target, confidence, score, rgb is not None, used_thermal, judged.problems, start)

    def _judge(self, target: Target, score: float, pair: FramePair) -> float:
        """Note whether a pair has shown the target. Returns the probability that its box overlaps it by half."""
        lost = target.monitor.state is TrackState.LOST
        confidence = self.engine.spec.reliability.probability(0.0 if lost else score)
        if lost or score < self.config.confidence.lost_below:
            target.note_unseen(pair)
        else:
            target.note_seen(confidence)
        return confidence

    def _new_target(self, pair: FramePair, box: npt.ArrayLike, drawn_in: str, doubtful: Collection[str]) -> Target:
        known = self._known if self._target is None else self._target.pair_geometry
        pair_geometry = PairGeometry.of(pair, self.registration) if known is None else known.after(pair)
        thermal = ThermalNormalizer(self.config.thermal)
        first = initial_box(pair_geometry, pair, box, drawn_in)
        target = Target(
            box=first,
            pair_geometry=pair_geometry,
            monitor=ConfidenceMonitor(self.config.confidence),
            thermal=thermal,
            inputs=NetworkInputs(self.engine.spec, thermal),
            size_hold=SizeHold(first[2:]),
            refinement=self._new_refinement(),
        )
        target.observe_range(pair)
        misplaced = target.misplaced(pair.timing).union(doubtful)
        if not misplaced:
            target.refine(pair.rgb, pair.thermal, FIRST)
        if drawn_in == "thermal":
            target.box = target.box - np.concatenate([target.inputs.thermal_shift, np.zeros(2)])
        target.inputs.cut_templates(pair, target.box, pair_geometry, misplaced)
        if not target.inputs.has_template("rgb") and not target.inputs.has_template("tir"):
            raise ValueError("; ".join(pair_geometry.problems(target.box).values()))
        return target

    def _look_around(self, target: Target, rgb: Image | None, thermal: Image | None) -> Steps[float]:
        """Learn how the network errs about the target and what tells it from what surrounds it, where it was marked.

        Returns how sure the network is of it.
        """
        spec = self.engine.spec
        boxes = first_boxes(target.box)[: None if spec.gives_features else NEAR]
        found = []
        for box in boxes:
            sight = yield from self.finder.look(target, rgb, thermal, box)
            found.append(self.finder.choose(target, sight, self._prior))
        enough = self.config.confidence.uncertain_below
        near = [one.box for one in found[:NEAR] if one is not None and one.score >= enough]
        confidence = sureness(found[:NEAR], target.box)
        target.correction = BoxCorrection.measure(near, target.box, self.config.box_correction)
        sizes = [one.box[2:] for one in found if one is not None]
        if len(sizes) == len(FIRST_WINDOWS):
            target.size_hold.strength = self.config.size_hold * scale_dependence(sizes) ** 2
        views = []
        for box, one in zip(boxes, found, strict=True):
            if one is not None and one.view is not None:
                window = crop_window(box, spec.search_factor, spec.stretched)
                views.append(view_of(target.box, window, one.view.features))
        if views and len(views) == len(boxes):
            target.identity = Identity(views)
        return confidence

    def _follow(self, target: Target, pair: FramePair, rgb: Image | None, thermal: Image | None) -> Steps[float]:
        """Search ahead of the last position and move the box as far as the evidence carries. Returns the score."""
        ahead = target.ahead(self.config.lead)
        found = sight = None
        if self.narrow and target.sure and self.engine.narrow_size is not None:
            sight = yield from self.finder.look(target, rgb, thermal, ahead, self.engine.narrow_size)
            found = self.finder.choose(target, sight, self._prior)
        if found is None or found.score < _SURE:
            sight = yield from self.finder.look(target, rgb, thermal, ahead)
            found = self.finder.choose(target, sight, self._prior)
        counts = 0.0 if found is None else target.plausibility_of_step(found.box, ahead, pair)
        certain = found is not None and found.score >= _CERTAIN and counts == 1.0 and not target.whereabouts.unseen
        if found is not None and certain:
            target.note_certain()
            target.learn_looks(rgb, thermal, found.box)
        else:
            target.note_doubt(pair)
            if target.sure and target.neighbours.to_be_asked:
                yield from self._look_beside(target)
                if len(target.others):
                    found = self.finder.choose(target, sight, self._prior)
                    counts = 0.0 if found is None else target.plausibility_of_step(found.box, ahead, pair)
            if found is not None:
                counts *= target.likeness(rgb, thermal, found.box)
        score = found.score if found else 0.0
        if found is not None and found.view is not None and target.identity is not None:
            score = target.identity.follow(found.view, found.score)
        score *= counts
        if sight is not None and not certain:
            seen = found.box if found is not None and score >= self.config.confidence.lost_below else None
            target.tell_others(self.finder.all_shown(target, sight, _SHOWN), seen)
        target.sure = score >= _SURE
        if found is not None and target.sure:
            target.note_step(found.box, ahead)
        thresholds = self.config.confidence
        state = target.monitor.update(score)
        if state is TrackState.LOST:
            self._start_search(target)
        elif found is not None and score >= thresholds.lost_below:
            # On weak evidence only the position follows: a size once wrong spoils the scale of every later crop.
            resize = state is TrackState.TRACKING and score >= thresholds.uncertain_below
            momentum = self.config.size_momentum if resize else 1.0
            target.follow(target.moved_to(found.box, momentum, self.config.inside_margin))
        return score

    def _look_beside(self, target: Target) -> Steps[None]:
        """Learn what the network takes for the target, were it not there, in the pair before, which showed it."""
        if target.former is None:
            return
        rgb, thermal = target.inputs.known_images(target.former)
        sight = yield from self.finder.look(target, rgb, thermal, target.box, without=target.box)
        if sight is not None:
            target.neighbours.learn(self.finder.all_shown(target, sight, _LIKE), target.box)

    def _redetect(self, target: Target, search: LostSearch, rgb: Image | None, thermal: Image | None) -> Steps[float]:
        """Look for a lost target. Returns the best score found."""
        if target.whereabouts.long_unseen:
            target.neighbours.forget()
        sights = []
        for box in search.next_boxes(self.config.lost_windows, target.limit):
            sights.append((yield from self.finder.look(target, rgb, thermal, box)))
        detections = [self.finder.choose(target, sight) for sight in sights]
        scores = [self._recognised(target, found, rgb, thermal) for found in detections]
        shown = [self.finder.all_shown(target, sight, _SHOWN) for sight in sights if sight is not None]
        target.tell_others(np.concatenate([np.zeros((0, 4)), *shown]))
        enough = self.config.confidence.reacquire_above
        confirmed = search.candidate is not None and scores[0] >= enough
        best = 0 if confirmed else int(np.argmax(scores))
        if not confirmed:
            target.monitor.restart_count()
        state = target.monitor.update(scores[best])
        found, margin = detections[best], self.config.inside_margin
        search.candidate = None
        if found is not None and state is TrackState.TRACKING:
            target.search = None
            target.motion = np.zeros(2)
            if target.identity is not None:
                target.identity.restart()
            target.box = target.moved_to(found.box, self.config.size_momentum, margin)
        elif found is not None and scores[best] >= enough:
            search.candidate = target.moved_to(found.box, 1.0, margin)
        return scores[best]

    @staticmethod
    def _recognised(target: Target, found: Detection | None, rgb: Image | None, thermal: Image | None) -> float:
        """The score of a find of the search for a lost target."""
        if found is None:
            return 0.0
        score = found.score
        if found.view is not None and target.identity is not None:
            score = target.identity.recognise(found.view, score)
        return score * target.plausibility(found.box) * target.likeness(rgb, thermal, found.box)

    def _observe_sizes(self, target: Target, pair: FramePair) -> None:
        earlier = target.pair_geometry
        target.pair_geometry = earlier.after(pair)
        if target.pair_geometry is not earlier:
            target.former = None  # its pixels are others
        change = target.pair_geometry.boxes_from(earlier)
        if change is None:
            return
        target.transform(change)
        if target.search is not None:
            self._start_search(target)

    def _start_search(self, target: Target) -> None:
        target.monitor.restart_count()
        window = crop_window(target.box, self.engine.spec.search_factor, self.engine.spec.stretched)
        target.set_refinement(self._new_refinement())
        step = self.config.lost_step * np.array([window.width, window.height])
        target.search = LostSearch(target.box, target.pair_geometry.size, step)

    def _result(
        self,
        target: Target,
        confidence: float,
        score: float,
        used_rgb: bool,
        used_thermal: bool,
        problems: Mapping[str, str],
        start: float,
    ) -> TrackResult:
        box = visible_part(target.box, target.pair_geometry.size, self.config.inside_margin)
        thermal = target.in_thermal(box)
        return TrackResult(
            box=box,
            thermal_box=thermal.box,
            confidence=confidence,
            score=score,
            state=target.monitor.state,
            used_rgb=used_rgb,
            used_thermal=used_thermal,
            position_stddev=target.deviation,
            registration_offset=thermal.offset,
            registration_deviation=thermal.deviation,
            problems={**problems, **target.pair_geometry.problems(box)},
            inference_s=self.finder.inference_s,
            total_s=time.perf_counter() - start,
            rgb_weight=target.inputs.weight("rgb") if used_rgb else 0.0,
            thermal_weight=target.inputs.weight("tir") if used_thermal else 0.0,
        )
