"""Overlap with the truth over time, small enough that a page holds hundreds of charts."""

from __future__ import annotations

import numpy as np

#: Size of a chart in its own units; the page stretches it.
WIDTH, HEIGHT = 600, 100
_BUCKETS = 75


def overlap_path(overlap: np.ndarray) -> str:
    """The `d` of an SVG path through the known overlaps `(N,)`, 1 at the top; '' where none is known.

    Of every one of at most 75 parts the lowest and the highest value are kept, so that no failure gets lost. The line
    is broken where the target was not visible. Frames between annotated ones (every tenth in VTUAV) do not break it.
    """
    known = np.flatnonzero(np.isfinite(overlap))
    if not len(known):
        return ""
    parts, pen = [], None
    stretches = np.split(known, np.flatnonzero(np.diff(known) > _stride(known)) + 1)
    for stretch in stretches:
        chosen = _extremes(stretch, overlap, len(overlap))
        x, y = _x(chosen, len(overlap)), np.round(HEIGHT * (1 - np.clip(overlap[chosen], 0, 1))).astype(int)
        for number, point in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            if pen is None or number == 0:
                parts.append(f"M{point[0]} {point[1]}")
                if len(chosen) == 1:
                    parts.append("h1")  # a single frame would not be seen
            elif point != pen:
                parts.append(f"L{point[0]} {point[1]}")
            pen = point
    return "".join(parts)


def hidden_spans(overlap: np.ndarray) -> list[tuple[int, int]]:
    """`(x, width)` of the times in which the target was not visible."""
    known = np.flatnonzero(np.isfinite(overlap))
    if not len(known):
        return []
    edges = np.concatenate([[-1], known, [len(overlap)]])
    limit = _stride(known)
    spans = []
    for before, after in zip(edges[:-1], edges[1:], strict=True):
        if after - before > limit:
            left, right = _x(np.clip([before, after], 0, len(overlap) - 1), len(overlap)).tolist()
            spans.append((left, max(1, right - left)))
    return spans


def frame_positions(frames: list[int], count: int) -> list[int]:
    """Where frames lie on a chart of `count` frames."""
    return _x(np.array(frames), count).tolist()


def frame_ticks(count: int) -> list[int]:
    """Round frame numbers, about five, for the axis of a chart of `count` frames.

    >>> frame_ticks(300)
    [0, 50, 100, 150, 200, 250]
    >>> frame_ticks(3)
    [0, 1, 2]
    """
    rough = max(1.0, (count - 1) / 6)
    size = 10 ** int(np.floor(np.log10(rough)))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return list(range(0, count, step))


def _stride(known: np.ndarray) -> int:
    """Frames from one annotated frame to the next, as a rule."""
    return int(np.median(np.diff(known))) if len(known) > 1 else 1


def _x(frames: np.ndarray, count: int) -> np.ndarray:
    return np.round(WIDTH * frames / max(1, count - 1)).astype(int)


def _extremes(stretch: np.ndarray, overlap: np.ndarray, count: int) -> np.ndarray:
    """Frames of a stretch to draw: its ends, and the lowest and the highest of each bucket of the whole sequence."""
    if count <= 2 * _BUCKETS:
        return stretch
    buckets = stretch * _BUCKETS // count
    kept = {int(stretch[0]), int(stretch[-1])}
    for part in np.split(stretch, np.flatnonzero(np.diff(buckets)) + 1):
        kept |= {int(part[np.argmin(overlap[part])]), int(part[np.argmax(overlap[part])])}
    return np.array(sorted(kept))
