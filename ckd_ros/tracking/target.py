"""All that belongs to the one target that is followed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ckd_ros import geometry
from ckd_ros.frames import FramePair, Image, Timing
from ckd_ros.geometry import FloatArray, Size, lies_inside
from ckd_ros.tracking.appearance import Appearance
from ckd_ros.tracking.box_correction import BoxCorrection
from ckd_ros.tracking.camera_motion import CameraMotion
from ckd_ros.tracking.certain_place import CertainPlace
from ckd_ros.tracking.confidence import ConfidenceMonitor
from ckd_ros.tracking.full_view import FullView
from ckd_ros.tracking.identity import Identity
from ckd_ros.tracking.inputs import NetworkInputs, Placement
from ckd_ros.tracking.lost_search import LostSearch
from ckd_ros.tracking.neighbours import Neighbours
from ckd_ros.tracking.pair_geometry import PairGeometry
from ckd_ros.tracking.recent_path import RecentPath
from ckd_ros.tracking.refinement import Refinement, Views, crop, grey_of_colour, looked_at, window_of
from ckd_ros.tracking.size_hold import SizeHold
from ckd_ros.tracking.thermal import ThermalNormalizer
from ckd_ros.tracking.whereabouts import FRAMES, Whereabouts

#: Smallest box that can be followed, pixels each way.
MIN_SIDE = 2.0
_MOTION_RATE = 0.2  # weight of a frame in the motion
_LONGEST_LEAD = 0.4  # sides of the box: what seems to move faster is an error more often than a target
_DOUBTFUL, _OLD = 0.25, 0.2  # sides moved since an image was taken, and seconds, at which it weighs 0.6 of a new one
#: Geometric mean side of a box in pixels below which a target may turn up anywhere at once, and look like anything.
_SMALL = 40.0
#: How little a find counts that is too far off to be a target that is not seen.
_ELSEWHERE = 0.3
#: Least share of a box to start with that lies inside the image. A target that is half out of view passes, a box drawn
#: for an image of another size or by a slip of the mouse does not.
MIN_INSIDE = 0.25


class InThermal(NamedTuple):
    """A box in the thermal image, and how it came there: values of `TrackResult`."""

    box: FloatArray
    offset: tuple[float, float]
    deviation: float


@dataclass
class Target:
    """What is known of a target. `Tracker.init` makes it whole before it takes the place of the former one.

    Attributes:
        box: `(4,)` `(x, y, w, h)`, in pixels of the image that `pair_geometry` names; while lost, where it was last.
        pair_geometry: which pixels those are, and their way to the thermal image.
        monitor: the state, from the confidence.
        thermal: the range of the thermal stream.
        inputs: templates and search crops.
        correction: of the network's boxes.
        identity: what tells it from others; None where the network gives nothing to tell by.
        search: where to look, while the target is lost; None while it is not.
        size_hold: keeps its size near the first one where its images hardly show it.
        ranged: the newest thermal image whose range was taken into account.
        path: where it was of late, in time.
        refinement: the shift of its thermal image; None where none is measured.
        motion: `(2,)` running mean of its way from frame to frame, x and y, in geometric mean sides of its box.
        whereabouts: how well its place is known.
        former: the pair before.
        camera: how the camera moves, while the target is not seen.
        sure: it was seen for certain in the frame before.
        neighbours: others of its kind beside it, while it is doubtful where it is.
        certain: where it was before it became so; None where that is not known.
        appearance: how it looks.
        full_view: how large it was, before a part of it was hidden.
    """

    box: FloatArray
    pair_geometry: PairGeometry
    monitor: ConfidenceMonitor
    thermal: ThermalNormalizer
    inputs: NetworkInputs
    size_hold: SizeHold
    correction: BoxCorrection = field(default_factory=BoxCorrection.none)
    identity: Identity | None = None
    search: LostSearch | None = None
    ranged: Image | None = None
    path: RecentPath = field(default_factory=RecentPath)
    refinement: Refinement | None = None
    motion: FloatArray = field(default_factory=lambda: np.zeros(2))
    whereabouts: Whereabouts = field(default_factory=Whereabouts)
    camera: CameraMotion = field(default_factory=CameraMotion)
    sure: bool = False
    former: FramePair | None = None
    neighbours: Neighbours = field(default_factory=Neighbours)
    certain: CertainPlace | None = None
    appearance: Appearance = field(default_factory=Appearance)
    full_view: FullView = field(default_factory=FullView)

    def observe_range(self, pair: FramePair) -> None:
        """Take the range of a pair's thermal image into account, once where it is used again."""
        if pair.thermal is not None and pair.thermal is not self.ranged:
            self.thermal.update(pair.thermal)
            self.ranged = pair.thermal

    def showing(self, pair: FramePair) -> set[str]:
        """Which images of a pair, `rgb` and `tir`, can show it: there is one, its template, and the box lies in it."""
        rgb, thermal = self.inputs.known_images(pair)
        found = {"rgb"} if rgb is not None else set()
        return found | {"tir"} if thermal is not None and self.pair_geometry.shows(self.box) else found

    def place(self, timing: Timing | None, weights: Mapping[str, float]) -> None:
        """Have the crops of images that are older than their pair cut where the target was then.

        The farther it has moved since, the less is known of where that is, and the less the image weighs; and the older
        it is: a target that turns about leaves where its motion of late has it by the square of the time, and an image
        that is cut there confirms that motion. `weights`: of the `rgb` and `tir` images, were they new.
        """
        ages = {} if timing is None else {"rgb": timing.rgb_age, "tir": timing.thermal_age}
        placements = {}
        for name, weight in weights.items():
            moved, age = np.zeros(2), ages.get(name, 0.0)
            if age:
                sides = self.path.moved(age) / _side(self.box)
                doubt = (np.hypot(*sides) / _DOUBTFUL) ** 2 + (age / _OLD) ** 4
                weight *= float(np.exp(-0.5 * doubt))
                moved = np.clip(sides, -_LONGEST_LEAD, _LONGEST_LEAD) * _side(self.box)
            if age or weight < 1.0:
                placements[name] = Placement(moved, weight)
        self.inputs.placements = placements

    def set_refinement(self, refinement: Refinement | None) -> None:
        """Measure the shift of the thermal image anew, or (None) not any more."""
        self.refinement = refinement
        self.inputs.keep_thermal()
        self._aim()

    def refine(self, rgb: Image | None, thermal: Image | None, weight: float = 1.0) -> None:
        """Measure the shift of the thermal image in a frame in which the target is in its box, if both images show it.

        `weight`: how much the frame counts.
        """
        if self.refinement is None or rgb is None or thermal is None:
            return
        box = looked_at(self.box)
        shown = lies_inside(box, rgb.size) and lies_inside(self.pair_geometry.thermal_box(box), thermal.size)
        if not shown or not self.refinement.is_due():
            return
        window = window_of(self.box)
        in_rgb, in_thermal = (self.inputs.placed(name, window) for name in ("rgb", "tir"))
        colour = grey_of_colour(crop(rgb, in_rgb, np.eye(3)), rgb.encoding)
        heat = self.thermal.apply(crop(thermal, in_thermal, self.pair_geometry.around(in_thermal)), thermal.encoding)
        weight *= np.prod([placement.weight for placement in self.inputs.placements.values()])
        self.refinement.observe(Views(colour, heat * np.float32(255)), self.box, float(weight))
        self._aim()
        if self.refinement.settled:
            if self.refinement.is_young:
                self.inputs.recut_thermal(self.refinement.shift)
            self.inputs.keep_thermal()

    def in_thermal(self, box: FloatArray) -> InThermal:
        """Where the thermal image shows a box: as the registration maps it, and the measured shift."""
        mapped, shift = self.pair_geometry.thermal_box(box), self.inputs.thermal_shift
        deviation = math.nan if self.refinement is None else self.refinement.deviation * _side(mapped)
        if not shift.any():
            return InThermal(mapped, (0.0, 0.0), deviation)
        shown = self.pair_geometry.thermal_box(box + np.concatenate([shift, np.zeros(2)]))
        x, y = np.nan_to_num(geometry.centre(shown) - geometry.centre(mapped))
        return InThermal(shown, (float(x), float(y)), deviation)

    def _aim(self) -> None:
        shift = np.zeros(2) if self.refinement is None else self.refinement.shift
        self.inputs.thermal_shift = shift * _side(self.box)

    def misplaced(self, timing: Timing | None) -> set[str]:
        """The modalities whose image shows the target elsewhere, nobody knows where.

        So it is just after the start of an image that is older than its pair, as long as the motion is not known.
        """
        ages = {} if timing is None else {"rgb": timing.rgb_age, "tir": timing.thermal_age}
        return {name for name, age in ages.items() if not self.path.knows(age)}

    def note_path(self, timing: Timing | None) -> None:
        """Remember when it was where it is; not while it is lost."""
        self.path.note(None if self.search is not None else timing, geometry.centre(self.box))

    def ahead(self, part: float) -> FloatArray:
        """The box, moved on by a part of its motion."""
        step = np.clip(part * self.motion, -_LONGEST_LEAD, _LONGEST_LEAD) * _side(self.box)
        ahead: FloatArray = self.box + np.concatenate([step, np.zeros(2)])
        return ahead

    def follow(self, box: FloatArray) -> None:
        """Take a box as the target's in the next frame, and its motion from the one before into account."""
        step = (geometry.centre(box) - geometry.centre(self.box)) / _side(box)
        step = np.clip(step, -_LONGEST_LEAD, _LONGEST_LEAD)  # a leap is a gap between frames, no motion
        self.motion = self.motion + _MOTION_RATE * (step - self.motion)
        self.box = box

    def note_seen(self, probability: float) -> None:
        """The target was seen where its box is, which overlaps it by half with a probability."""
        self.whereabouts.seen(probability)
        self.camera.forget()

    def note_unseen(self, pair: FramePair) -> None:
        """A pair did not show the target. When it begins, the box goes back to where it would be by now, in its full
        size, if it was seen for certain a short time ago."""
        if not self.whereabouts.unseen:
            place = None if self.certain is None or self.search is not None else self.certain.now
            self.box = self.box if place is None else self.full_view.restore(place, self.pair_geometry.size)
            self.certain = None
            self.camera.step(pair, self.pair_geometry, geometry.centre(self.box))  # what the next pair is compared with
        self.whereabouts.not_seen(self._frames_until(pair))

    def note_certain(self) -> None:
        """The next pair shows the target for certain: its box in the one before can be relied on.

        In the next one itself a part of it may be hidden already.
        """
        self.certain = CertainPlace(self.box, self.motion * _side(self.box))
        self.full_view.note(self.box)
        self.neighbours.forget()

    def note_doubt(self, pair: FramePair) -> None:
        """A pair does not show the target for certain."""
        if self.certain is not None:
            self.certain.go_on(self._frames_until(pair))

    def go_on(self, pair: FramePair) -> None:
        """The next pair has come: nothing is known yet of what it shows."""
        self.neighbours.move_on()
        frames = self._frames_until(pair)
        self.full_view.go_on(frames)
        self.appearance.go_on(frames)

    def learn_looks(self, rgb: Image | None, thermal: Image | None, box: FloatArray) -> None:
        """Images show it for certain, in `box`."""
        off = self.appearance.next_off()
        if off is not None:
            beside = box + np.concatenate([off * box[2:], np.zeros(2)])
            self.appearance.learn(*(self.inputs.patches(rgb, thermal, b, self.pair_geometry) for b in (box, beside)))

    def likeness(self, rgb: Image | None, thermal: Image | None, box: FloatArray) -> float:
        """How much a find counts that looks as images do in `box`, [0, 1]: all, where it has so few pixels that a box
        which is off by some shows something else."""
        if _side(self.box) < _SMALL:
            return 1.0
        patches = self.inputs.patches(rgb, thermal, box, self.pair_geometry)
        return self.appearance.counts(patches)

    @property
    def others(self) -> FloatArray:
        """`(N, 4)` boxes in which others are, and not itself."""
        return self.neighbours.boxes_beside(None if self.whereabouts.unseen else self.box)

    def tell_others(self, shown: FloatArray, seen: FloatArray | None = None) -> None:
        """Follow the others among all boxes `(K, 4)` that a pair shows, but for the one in which it is `seen` itself.

        While the target is not seen, what is farther off than it can be is another one too.
        """
        rest = self.neighbours.follow(shown, seen)
        if self.whereabouts.unseen:
            self.neighbours.add([box for box in rest if self.plausibility(box) < _ELSEWHERE])

    def _frames_until(self, pair: FramePair) -> float:
        """Time since the pair before, in frames of `whereabouts`; one frame where it is not known."""
        before = None if self.former is None else self.former.timing
        if before is None or pair.timing is None or pair.timing.moment <= before.moment:
            return 1.0
        return (pair.timing.moment - before.moment) / 1e9 * FRAMES

    def go_along(self, pair: FramePair) -> None:
        """Keep the box of a target that is not seen where it was in the world, as the camera moves."""
        if not self.whereabouts.unseen:
            return
        step = self.camera.step(pair, self.pair_geometry, geometry.centre(self.box))
        if step is None:
            self.whereabouts.anywhere = True
            return
        centre, size = geometry.centre(self.box), np.asarray(self.pair_geometry.size)
        step = np.clip(centre + step, -size, 2 * size) - centre  # farther off, it is nowhere in particular
        self.box = self.box + np.concatenate([step, np.zeros(2)])
        if self.search is not None:
            self.search.shift(step)

    def plausibility(self, box: FloatArray) -> float:
        """How much a find counts at the place of `box`, [0, 1], while the target is not seen, see `Whereabouts`.

        All, where it is so small that it moves by many of its sides.
        """
        return 1.0 if _side(self.box) < _SMALL else self.whereabouts.plausibility(_sides_off(box, self.box))

    def plausibility_of_step(self, box: FloatArray, ahead: FloatArray, pair: FramePair) -> float:
        """The same, of a find in the next pair of a target that is expected at `ahead` if it was seen.

        Where it seems to have leapt, but the whole picture has, as of a camera that was knocked, it has not.
        """
        if self.whereabouts.unseen or _side(self.box) < _SMALL:
            return self.plausibility(box)
        counts = self.whereabouts.plausibility(_sides_off(box, ahead))
        if counts == 1.0 or self.former is None:
            return counts
        camera, place = CameraMotion(), geometry.centre(ahead)
        camera.step(self.former, self.pair_geometry, place)
        step = camera.step(pair, self.pair_geometry, place)
        if step is None:
            return 1.0  # the images do not tell
        return self.whereabouts.plausibility(_sides_off(box, ahead + np.concatenate([step, np.zeros(2)])))

    def note_step(self, box: FloatArray, ahead: FloatArray) -> None:
        """It was seen for certain in `box`, where `ahead` was expected."""
        self.whereabouts.note_step(_sides_off(box, ahead))

    @property
    def limit(self) -> float:
        """How far off, in pixels, a find of the search for it counts half."""
        return np.inf if _side(self.box) < _SMALL else self.whereabouts.limit * _side(self.box)

    @property
    def deviation(self) -> float:
        """Standard deviation of its centre along x and along y, in pixels: at most that of a place anywhere."""
        anywhere = max(self.pair_geometry.size) / np.sqrt(12)
        return float(min(self.whereabouts.deviation * _side(self.box), anywhere))

    def transform(self, change: FloatArray) -> None:
        """Take it into other pixels: `change` is the 3x3 transform from those of before."""
        box = geometry.transform_box(change, self.box)
        self.size_hold.first = self.size_hold.first * box[2:] / self.box[2:]
        self.box, self.path, self.certain = box, RecentPath(), None
        self.full_view = FullView()
        self.neighbours.forget()
        self._aim()
        self.camera.forget()

    def moved_to(self, found: FloatArray, momentum: float, margin: float) -> FloatArray:
        """The box at the centre of `found`, `margin` pixels of which stay in the image.

        `momentum` of its size is kept, and the rest taken from `found` as far as the size is seen at all.
        """
        size = self.box[2:] if momentum == 1.0 else self.size_hold.next_size(self.box[2:], found[2:], momentum)
        size = np.clip(size, MIN_SIDE, np.maximum(self.pair_geometry.size, MIN_SIDE))
        box = np.concatenate([geometry.centre(found) - size / 2, size])
        return geometry.keep_inside(box, self.pair_geometry.size, margin)


def _side(box: FloatArray) -> float:
    return float(np.sqrt(box[2] * box[3]))


def _sides_off(box: FloatArray, expected: FloatArray) -> float:
    """Distance of two boxes' centres, in sides of the second one."""
    return float(np.hypot(*(geometry.centre(box) - geometry.centre(expected)))) / _side(expected)


def initial_box(pair_geometry: PairGeometry, pair: FramePair, box: npt.ArrayLike, drawn_in: str) -> FloatArray:
    """The box to start with, in the pixels that `pair_geometry` names, from one drawn in the `rgb` or `thermal` image.

    Raises ValueError that says why it cannot be followed.
    """
    if drawn_in == "rgb":
        return _checked_box(box, pair_geometry.size)
    if drawn_in != "thermal":
        raise ValueError(f"the box was drawn in '{drawn_in}': expected rgb or thermal")
    if pair.thermal is None:
        raise ValueError("the box was drawn in the thermal image, but there is none")
    drawn = _checked_box(box, pair.thermal.size)
    found = pair_geometry.from_thermal(drawn)
    try:
        return _checked_box(found, pair_geometry.size)
    except ValueError as error:
        raise ValueError(f"brought from the thermal to the colour image by the registration, {error}") from error


def _checked_box(box: npt.ArrayLike, size: Size) -> FloatArray:
    """A copy of a box that can be followed in an image of `size`; ValueError says why it cannot."""
    checked = np.array(box, float)
    if checked.shape != (4,) or not np.isfinite(checked).all():
        raise ValueError(f"the box is {checked.tolist()}: expected four finite numbers x, y, width, height")
    x, y, w, h = checked
    shown = f"the box x {x:g}, y {y:g}, width {w:g}, height {h:g}"
    if not (w > 0 and h > 0):
        raise ValueError(f"{shown} has no area: width and height must be positive")
    inside = np.minimum(checked[:2] + checked[2:], size) - np.maximum(checked[:2], 0.0)
    if inside.min() < MIN_SIDE:
        raise ValueError(
            f"{shown} has less than {MIN_SIDE:g} x {MIN_SIDE:g} pixels inside the image of {size[0]} x {size[1]}: "
            f"draw it on the target, in pixels of this image"
        )
    share = inside.prod() / (w * h)
    if share < MIN_INSIDE:
        raise ValueError(
            f"{shown} reaches far outside the image of {size[0]} x {size[1]}: {100 * share:.0f} % of it lies inside, "
            f"and at least {100 * MIN_INSIDE:.0f} % must; draw it around the target, in pixels of this image"
        )
    return checked
