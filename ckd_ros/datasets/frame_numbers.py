"""What the names of a sequence's image files say: which are copies of others, and which frames are missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

_DIGITS = re.compile(r"\d+")
#: What file managers put around the name of a copy.
_COPY = re.compile(
    r"(?:copy of )?(?P<name>.*?)(?: ?\(\d+\)| ?- ?copy(?: ?\(\d+\))?| copy(?: \d+)?| \((?:another )?copy\))?",
    re.IGNORECASE,
)
_LONGEST = 18  # digits of a 64 bit integer
_SAME_DIGIT = str.maketrans("123456789", "000000000")


def without_copies(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of image files without copies of others, in the same order, and the copies.

    A copy is a numbered name that a file manager has made of another one that is there too, and the same name with
    another, rarer suffix.

    >>> without_copies(["10 (1).jpg", "10.jpg", "11.jpg", "11.png", "12 - Copy.jpg"])
    (['10.jpg', '11.jpg', '12 - Copy.jpg'], ['10 (1).jpg', '11.png'])
    """
    if of_one_form(names):
        return list(names), []
    suffixes = Counter(PurePath(name).suffix for name in names)
    best: dict[str, str] = {}
    for name in names:
        path = PurePath(name)
        other = best.get(path.stem)
        if other is None or suffixes[path.suffix] > suffixes[PurePath(other).suffix]:
            best[path.stem] = name
    kept: list[str] = []
    copies: list[str] = []
    for name in names:
        stem = PurePath(name).stem
        match = _COPY.fullmatch(stem)
        original = match["name"] if match else stem
        is_copy = best[stem] != name or (original != stem and original in best and bool(_DIGITS.search(original)))
        (copies if is_copy else kept).append(name)
    return kept, copies


def frame_numbers(names: Sequence[str]) -> np.ndarray | None:
    """`(N,)` the numbers by which N names in their order count; None where they do not count.

    They count if one of their numbers always rises, most often by the same step, and by multiples of that elsewhere:
    times in names do not.

    >>> frame_numbers(["v008.jpg", "v009.jpg", "v011.jpg", "v012.jpg"]).tolist()
    [8, 9, 11, 12]
    """
    if len(names) > 1 and of_one_form(names):  # most are: a benchmark has more than a million images
        first, last = (_DIGITS.findall(PurePath(name).stem)[-1:] for name in (names[0], names[-1]))
        if first and len(first[0]) <= _LONGEST and int(last[0]) - int(first[0]) == len(names) - 1:
            return np.arange(int(first[0]), int(last[0]) + 1)
    groups = [_DIGITS.findall(PurePath(name).stem) for name in names]
    if len(names) < 2 or len({len(group) for group in groups}) != 1:
        return None
    for column in zip(*(reversed(group) for group in groups), strict=True):
        if max(map(len, column)) > _LONGEST:
            continue
        numbers = np.array(column, np.int64)
        steps = np.diff(numbers)
        if (steps > 0).all():
            step, count = max(Counter(steps.tolist()).items(), key=lambda known: known[1])
            if 2 * count >= len(steps) and not (steps % step).any():
                return numbers
    return None


def of_one_form(names: Sequence[str]) -> bool:
    """Whether names differ in digits only."""
    return len(set("\n".join(names).translate(_SAME_DIGIT).split("\n"))) == 1  # one call for all is quicker


def step_of(numbers: np.ndarray) -> int:
    """The step by which numbers most often rise."""
    return Counter(np.diff(numbers).tolist()).most_common(1)[0][0]


def first_difference(rgb: np.ndarray, thermal: np.ndarray) -> int | None:
    """Position of the first image behind which the numbers of one camera have another gap than those of the other.

    None where they have the same gaps. Where the numbers begin, and their step, may differ.

    >>> first_difference(np.array([1, 2, 3, 5]), np.array([31, 32, 34, 35]))
    1
    """
    count = min(len(rgb), len(thermal)) - 1
    gaps = [(np.diff(numbers) // step_of(numbers))[:count] for numbers in (rgb, thermal)]
    differing = np.flatnonzero(gaps[0] != gaps[1])
    return int(differing[0]) if len(differing) else None
