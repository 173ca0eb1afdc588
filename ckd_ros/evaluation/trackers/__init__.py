"""Trackers that are compared: ours, OpenCV's, and any program; `spec` makes them from what `--tracker` takes."""

from ckd_ros.evaluation.trackers.interface import BoxEstimate, Estimate, SequenceTracker
from ckd_ros.evaluation.trackers.spec import TrackerSpec, parse_tracker

__all__ = ["BoxEstimate", "Estimate", "SequenceTracker", "TrackerSpec", "parse_tracker"]
