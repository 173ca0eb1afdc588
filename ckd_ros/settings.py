"""One form for every setting of the project: name, type, default, what it may be and what it means, said once.

Settings are the fields of a frozen dataclass, declared with `setting` and checked by `check`:

>>> @dataclass(frozen=True)
... class Blur:
...     length: float = setting(2.0, "length of the blur in pixels", 0, 50)
...     steps: int = setting(1, "how often it is applied", low=1)
...
...     def __post_init__(self) -> None:
...         check(self)
>>> Blur(length=99)
Traceback (most recent call last):
ValueError: length is 99: it must be a number from 0 to 50 (length of the blur in pixels)

`build` makes one from a mapping, as YAML files and ROS parameters are, and `from_text` from `key=value,...`:

>>> build(Blur, {"length": 3, "step": 2})
Traceback (most recent call last):
ValueError: unknown Blur setting 'step': did you mean 'steps'?
>>> from_text(Blur, "length=3.5,steps=2", "blur")
Blur(length=3.5, steps=2)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

#: The default of a setting that has none.
REQUIRED: Any = ...
#: Two numbers, the lower first.
Range = Annotated[tuple[float, float], "ordered"]
#: Former names of settings. They are refused, with the present name.
RENAMED = {"calibration": "box_correction", "hidden": "mask_ratio", "registration": "misregistration"}


class Above(float):
    """A lower limit that a setting must not reach itself."""


class Below(float):
    """An upper limit that a setting must not reach itself."""


def setting(
    default: Any,
    description: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] = (),
    lengths: tuple[int, ...] = (),
    read_only: bool = False,
) -> Any:
    """A field of a dataclass of settings; its annotation says the type.

    Types are bool, int, float, str, Path, Literal, another dataclass of settings; tuples, `Range` and `dict[str, ...]`
    of these; each `| None`.

    Args:
        default: `REQUIRED` where there is none.
        description: what it means, for a person.
        low, high: limits of a number, or of each number of a tuple or dict; `Above(0)`: more than 0.
        choices: what it (each entry of a tuple, each key of a dict) may be; empty: anything.
        lengths: how many entries a tuple may have; empty: as many as its type says.
        read_only: a change needs a restart of the ROS node.
    """
    stated = {"description": description, "low": low, "high": high}
    metadata = {**stated, "choices": choices, "lengths": lengths, "read_only": read_only}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=MISSING if default is REQUIRED else default, metadata=metadata)


@dataclass(frozen=True)
class Setting:
    """One setting, as `setting` and the annotation of its field state it.

    `exact`: the source has types of its own, as ROS parameters do: 2 is not a float there, and a list is a list.
    """

    name: str
    kind: Any
    default: Any = REQUIRED
    description: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    lengths: tuple[int, ...] = ()
    read_only: bool = False
    exact: bool = False

    @property
    def is_group(self) -> bool:
        """Whether its values are settings themselves."""
        return is_dataclass(_form(self.kind).entry)

    def fault(self, value: object) -> str | None:
        """What is wrong with a value, as it follows the setting's name in a message; None: nothing."""
        if self._takes(value):
            return None
        text = f"is {value!r}: it must be {self.allowed()}"
        if self.description:
            text += f" ({self.description})"
        if _form(self.kind).entry is float and (text_of_number := _first_number_as_text(value)):
            text += f"; '{text_of_number}' is a string: YAML takes 1.0e-3 for a number, but not 1e-3"
        return text

    def allowed(self) -> str:
        """What it may be, for a person."""
        form = _form(self.kind)
        one, several = _words(form.entry, self.exact)
        if form.ordered:
            text = "two numbers [low, high]"
        elif form.container is tuple:
            text = " ".join(filter(None, ("a list of", " or ".join(map(str, self.lengths or form.lengths)), several)))
        else:
            text = several if form.container is dict else one
        text += self._limits() + (" by name" if form.container is dict else "")
        if self.choices:
            text += f", {' | '.join(map(str, self.choices))}"
        return f"{text}, or none" if form.optional else text

    def _limits(self) -> str:
        low, high = self.low, self.high
        if low is not None and high is not None and not isinstance(low, Above) and not isinstance(high, Below):
            return f" from {low:g} to {high:g}"
        limits = []
        if low is not None:
            limits.append(f"above {low:g}" if isinstance(low, Above) else f"of at least {low:g}")
        if high is not None:
            limits.append(f"below {high:g}" if isinstance(high, Below) else f"of at most {high:g}")
        return f" {' and '.join(limits)}" if limits else ""

    def _takes(self, value: Any) -> bool:
        form = _form(self.kind)
        if value is None:
            return form.optional
        if form.container is dict:
            if not isinstance(value, dict) or not all(self._is_choice(name) for name in value):
                return False
            return all(self._takes_one(entry) for entry in value.values())
        if form.container is None:
            return self._takes_one(value) and self._is_choice(value)
        lengths = self.lengths or form.lengths
        if not isinstance(value, list if self.exact else tuple) or (lengths and len(value) not in lengths):
            return False
        if not all(self._takes_one(entry) and self._is_choice(entry) for entry in value):
            return False
        return not form.ordered or bool(value[0] <= value[1])

    def _is_choice(self, value: object) -> bool:
        return not self.choices or value in self.choices

    def _takes_one(self, value: Any) -> bool:
        kind = _form(self.kind).entry
        if get_origin(kind) is Literal:
            return value in get_args(kind)
        if kind not in (int, float):
            return isinstance(value, kind)
        wanted: Any = Integral if kind is int else float if self.exact else Real
        if isinstance(value, bool) or not isinstance(value, wanted) or not math.isfinite(value):
            return False
        if self.low is not None and not (value > self.low if isinstance(self.low, Above) else value >= self.low):
            return False
        return self.high is None or bool(value < self.high if isinstance(self.high, Below) else value <= self.high)


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """The settings of a dataclass by name, those that hold settings themselves among them (`Setting.is_group`)."""
    kinds = get_type_hints(kind, include_extras=True)
    found = {}
    for item in fields(kind):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        default = REQUIRED if default is MISSING else default
        found[item.name] = Setting(item.name, kinds[item.name], default, **item.metadata)
    return found


def all_settings(kind: type[Any]) -> dict[str, Setting]:
    """The settings of a dataclass and of the groups in it, by the way to them: `size.width`, of a list `[].width`."""
    found = {}
    for name, stated in settings_of(kind).items():
        found[name] = stated
        if stated.is_group:
            form = _form(stated.kind)
            start = f"{name}[]." if form.container is tuple else f"{name}."
            found |= {start + inner: one for inner, one in all_settings(form.entry).items()}
    return found


def check(settings: Any) -> None:
    """Raise ValueError for the first value of a dataclass of settings that its setting does not take."""
    for name, stated in settings_of(type(settings)).items():
        if fault := stated.fault(getattr(settings, name)):
            raise ValueError(f"{name} {fault}")


def build(kind: type[T], values: Mapping[str, Any]) -> T:
    """Settings from a mapping by name, as YAML has them: lists become tuples, strings paths, mappings settings.

    `none` is no value, where a setting may have none.

    Raises ValueError for an unknown or missing setting and for a value that does not fit; a setting inside another is
    named by the way to it.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{kind.__name__} needs settings as 'name: value', not {values!r}")
    known = settings_of(kind)
    for name in values:
        if name not in known:
            hint = suggestion(name, known) or f"known are {', '.join(known)}"
            raise ValueError(f"unknown {kind.__name__} setting '{name}': {hint}")
    missing = [name for name, stated in known.items() if stated.default is REQUIRED and name not in values]
    if missing:
        raise ValueError(f"{kind.__name__} needs the setting '{missing[0]}' ({known[missing[0]].description})")
    return kind(**{name: _built(known[name], value, name) for name, value in values.items()})


def _built(stated: Setting, value: Any, path: str) -> Any:
    form = _form(stated.kind)
    if form.optional and isinstance(value, str) and value.lower() == "none":  # YAML's own word is null
        return None
    if isinstance(value, list) and form.container is tuple:
        return tuple(_built_one(form.entry, entry, f"{path}[{number}]") for number, entry in enumerate(value))
    return value if form.container else _built_one(form.entry, value, path)


def _built_one(kind: Any, value: Any, path: str) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    if not is_dataclass(kind) or not isinstance(value, Mapping):
        return value
    try:
        return build(kind, value)  # type: ignore[arg-type]  # a class, not an instance of one
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def from_text(kind: type[T], text: str, what: str, separator: str = ",") -> T:
    """Settings from `key=value` pairs; `what` they are settings of, for messages. Raises ValueError as `read_text`."""
    return kind(**read_text(text, settings_of(kind).values(), what, separator))


def read_text(text: str, settings: Iterable[Setting], what: str, separator: str = ",") -> dict[str, Any]:
    """The values of `key=value` pairs by name.

    Raises ValueError for what is not such a pair, for an unknown setting and for a value that does not fit.
    """
    known = {stated.name: stated for stated in settings if not stated.is_group}
    values = {}
    for part in filter(None, (part.strip() for part in text.split(separator))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in known:
            hint = suggestion(name, known) if equals else None
            hint = hint or f"expected KEY=VALUE with a KEY of {', '.join(known)}"
            raise ValueError(f"'{part}' is not a {what} setting: {hint}")
        values[name] = _parsed(value, known[name].kind)
        if fault := known[name].fault(values[name]):
            raise ValueError(f"{name} {fault}")
    return values


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """What somebody who named an unknown setting may have meant; None where nothing comes near."""
    if now := present_name(name, known):
        return f"it is now called '{now}'"
    near = get_close_matches(str(name), known, n=2, cutoff=0.75)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else None


def present_name(name: str, known: Iterable[str]) -> str | None:
    """The present name of a renamed setting, with its group (`tracker.`) if any; None unless it is `known`."""
    group, dot, last = str(name).rpartition(".")
    now = f"{group}{dot}{RENAMED.get(last)}"
    return now if now in known else None


# -- types -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Form:
    """A setting's annotation: single values of the type `entry`, or a tuple or dict of them."""

    entry: Any
    container: type | None = None
    lengths: tuple[int, ...] = ()
    ordered: bool = False
    optional: bool = False


@lru_cache
def _form(kind: Any) -> _Form:
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (option for option in get_args(kind) if option is not NoneType)
        return replace(_form(inner), optional=True)
    if get_origin(kind) is Annotated:
        return replace(_form(get_args(kind)[0]), ordered=True)
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return _Form(arguments[0], tuple, () if Ellipsis in arguments else (len(arguments),))
    return _Form(arguments[1], dict) if get_origin(kind) is dict else _Form(kind)


def _words(kind: Any, exact: bool) -> tuple[str, str]:
    """One and several values of a type."""
    if get_origin(kind) is Literal:
        return (" | ".join(get_args(kind)),) * 2
    if is_dataclass(kind):
        return ("settings as 'name: value'",) * 2
    one, several = _WORDS[kind]
    point = " with a decimal point" if exact and kind is float else ""
    return one + point, several + point


def _first_number_as_text(value: Any) -> str | None:
    """The first text among a setting's values that would be a number."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else (value,)
    return next((part for part in parts if isinstance(part, str) and isinstance(_parsed(part, float), float)), None)


_WORDS = {
    bool: ("true or false", "truth values"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("a string", "strings"),
    Path: ("a path", "paths"),
}


def _parsed(text: str, kind: Any) -> Any:
    """A text as a value of a type, or as it is where it is none."""
    form = _form(kind)
    if form.optional and text.lower() in ("none", ""):
        return None
    if form.entry is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if form.entry not in (int, float, Path):
        return text
    try:
        return form.entry(text)
    except ValueError:
        return text
