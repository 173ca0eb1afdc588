"""Kinds of arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def optional(metavar: str) -> object:
    """An option whose own help text explains what happens without it."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")


Source = Annotated[str, tyro.conf.arg(metavar="SOURCE")]
#: A file or folder that is written.
Output = Annotated[Path, tyro.conf.arg(metavar="OUT")]
OptionalFile = Annotated[Path | None, optional("FILE")]
OptionalFolder = Annotated[Path | None, optional("DIR")]
#: Several words after one option, which may be given several times too: the later ones must not replace the earlier.
Several = tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]]
