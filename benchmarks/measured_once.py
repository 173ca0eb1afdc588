"""Rows of the table of `robustness.py` that need none of its scenes: each is measured once.

They are the figures of benchmarks of their own, which say more: `several_targets.py`, `calibration.py`, `fuzz.py`, and
`reliability.py`, which measures confidence on real video from other starts too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from calibration import measure, road_scenes
from reliability import observe, probabilities
from several_targets import COUNTS, follow_together, measure_meetings, measure_time

from ckd_ros.datasets.m3svd import open_m3svd
from ckd_ros.tracking import OnnxEngine, default_model, suited_model

#: Targets stand side by side on a CPU, one thread each: with one thread they would be looked for one after the other.
_THREADS = 2
_FRAMES, _SEQUENCES, _SCENES = 200, 24, 20
_MESSAGES, _CALLS = 10_000, 1_000


def four_targets(data: Path | None) -> dict[str, float]:
    """Four targets at the same time; meetings of such as could be taken for one another."""
    engine = OnnxEngine(suited_model(), threads=_THREADS, targets=max(COUNTS))
    times = measure_time(engine, _FRAMES)
    meetings = measure_meetings(follow_together, engine, data, _SEQUENCES)
    return {"times the time of one": times[4] / times[1], "exchanged, share of meetings": meetings["exchanged"]}


def calibration(data: Path) -> dict[str, float]:
    """Calibration without a pattern, 20 real pairs under random homographies."""
    rows = list(measure(list(road_scenes(data / "roadscene", "held_out", _SCENES)), seed=0))
    errors = [row["error"] for row in rows if "error" in row] or [float("nan")]
    return {
        "error of those accepted, median, px": float(np.median(errors)),
        "the largest, px": max(errors),
        "accepted": sum("error" in row for row in rows) / len(rows),
    }


def fuzz(data: Path | None) -> dict[str, float]:
    """10,000 malformed messages and 1,000 calls."""
    from fuzz import fuzz as attack  # needs ROS 2, the other rows do not

    tally = attack(_MESSAGES, _CALLS, 0, default_model(), Path("fuzz"))
    return {"failures": float(len(tally.failures)), "calls without an answer": float(tally.calls - tally.answers)}


def confidence_on_video(data: Path) -> dict[str, np.ndarray]:
    """Confidence on real video (m3svd), started in its first frame."""
    model = suited_model()
    videos = range(len(open_m3svd(data / "m3svd")))
    frames = [observe(model, data, ("m3svd", number, 0)) for number in videos]
    return {"calibration error": np.column_stack(probabilities(frames, OnnxEngine(model).spec.reliability))}
