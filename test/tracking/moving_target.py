"""A target that moves from frame to frame, and a tracker that is to stay on it."""

import numpy as np

from ckd_ros import geometry
from ckd_ros.tracking import ConfidenceConfig, TrackState

# The correlation of this background with the target reaches 0.4 by chance.
CONFIDENCE = ConfidenceConfig(
    uncertain_below=0.5, tracking_above=0.55, lost_below=0.45, lost_after=5, reacquire_above=0.55
)


CELL = 6.5  # half a cell's diagonal


def path(k: int) -> tuple[float, float]:
    """Centre of the target in frame k: 3.4 pixels a frame."""
    return 80.0 + 3.0 * k, 80.0 + 1.6 * k


def error(result, box) -> float:
    """Distance of centres, pixels."""
    return float(np.linalg.norm(geometry.centre(result.box) - geometry.centre(box)))


def follow(tracker, scene, frames, **show):
    """Update with the frames of a range; every result must be on the target."""
    for k in frames:
        result = tracker.update(scene(path(k), **show))
        assert result.state is TrackState.TRACKING
        assert error(result, scene.box(path(k))) < CELL
    return result


def hide(tracker, scene, frames: int):
    """Update with frames without the target."""
    for _ in range(frames):
        result = tracker.update(scene(None))
    return result
