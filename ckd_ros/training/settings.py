"""Dataclasses of settings from what a YAML file holds, with errors that name the setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def build(kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass from settings by name; lists become tuples. Raises ValueError for an unknown or missing setting."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} needs settings as 'name: value', not {values!r}")
    known = {field.name: field.type for field in fields(kind)}
    unknown = ", ".join(sorted(map(str, set(values) - set(known))))
    if unknown:
        raise ValueError(f"unknown {kind.__name__} setting(s) {unknown}; known: {', '.join(known)}")
    for name, value in values.items():
        if known[name] in ("int", "float") and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ValueError(f"{name} is {value!r}, expected a number (1.0e-3 is one for YAML, 1e-3 is not)")
    try:
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def check_shares(settings: Any, *names: str) -> None:
    """Raises ValueError naming the setting that is no chance or share between 0 and 1."""
    for name in names:
        if not 0 <= getattr(settings, name) <= 1:
            raise ValueError(f"{type(settings).__name__}: {name} is {getattr(settings, name)}, expected 0 to 1")


def check_not_negative(settings: Any, *names: str) -> None:
    """Raises ValueError naming the setting that is below 0."""
    for name in names:
        if not getattr(settings, name) >= 0:
            raise ValueError(f"{type(settings).__name__}: {name} is {getattr(settings, name)}, expected 0 or more")


def check_ranges(settings: Any, *names: str) -> None:
    """Raises ValueError naming the setting that is not a pair (low, high)."""
    for name in names:
        value = getattr(settings, name)
        if not (isinstance(value, tuple) and len(value) == 2 and value[0] <= value[1]):
            raise ValueError(f"{type(settings).__name__}: {name} is {value}, expected two numbers [low, high]")
