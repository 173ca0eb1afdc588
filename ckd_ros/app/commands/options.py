"""Settings as options of the command line, explained as their settings are."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar

import tyro

from ckd_ros.settings import REQUIRED, Setting, settings_of

T = TypeVar("T")


def options_of(kind: type[T]) -> Callable[..., T]:
    """A function that makes settings of a kind, with a signature from which tyro takes the options and their help."""

    def make(**values: Any) -> T:
        return kind(**values)

    parameters = [
        Parameter(
            stated.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if stated.default is REQUIRED else stated.default,
            annotation=Annotated[stated.kind, _argument(stated)],
        )
        for stated in settings_of(kind).values()
    ]
    make.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # read by inspect.signature
    make.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return make


def _argument(stated: Setting) -> object:
    """How a setting is shown; of one that has no value its description says what that means."""
    if stated.default is None:
        return tyro.conf.arg(help=f"{stated.description}.", metavar=stated.name.upper(), help_behavior_hint="")
    return tyro.conf.arg(help=f"{stated.description}.")
