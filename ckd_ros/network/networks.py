"""The network that a configuration describes, whatever its family."""

from __future__ import annotations

from ckd_ros.network.config import CKDConfig
from ckd_ros.network.presets import NetworkConfig
from ckd_ros.network.siamese_student import SiameseStudent, SiameseTracker
from ckd_ros.network.student import CKDStudent, SingleModalityTracker

Student = CKDStudent | SiameseStudent
OneCameraTracker = SingleModalityTracker | SiameseTracker


def make_student(config: NetworkConfig) -> Student:
    """A student with random weights."""
    return CKDStudent(config) if isinstance(config, CKDConfig) else SiameseStudent(config)


def make_tracker(config: NetworkConfig) -> OneCameraTracker:
    """A single-modality tracker with random weights."""
    return SingleModalityTracker(config) if isinstance(config, CKDConfig) else SiameseTracker(config)
