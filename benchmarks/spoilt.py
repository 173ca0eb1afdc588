"""What was whole, damaged, as a Hypothesis strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


@st.composite
def spoilt(draw: Callable[..., Any], whole: SearchStrategy[bytes]) -> bytes:
    """Bytes that were whole: cut, with some changed, doubled, with others in the middle; or left as they were."""
    data = draw(whole)
    at = draw(st.integers(0, len(data)))
    other = draw(st.binary(min_size=1, max_size=8))
    return {
        "whole": data,
        "cut": data[:at],
        "changed": data[:at] + other + data[at + len(other) :],
        "inserted": data[:at] + other + data[at:],
        "doubled": data + data[at:],
    }[draw(st.sampled_from(("whole", "cut", "changed", "inserted", "doubled")))]
