"""From words of a command line to a command: help that fits the terminal, mistakes in one line with the remedy."""

from __future__ import annotations

import io
import operator
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import reduce
from typing import Annotated, Any

import tyro

from ckd_ros.app.commands import COMMANDS, Command
from ckd_ros.app.terminal import wrap
from ckd_ros.settings import suggestion

_HELP = {"-h", "--help"}
_RULE = re.compile(r"[─-]{4,}")
_NOT_ONE_OF = re.compile(r"no type matching \S*(INT|FLOAT) could be instantiated from \[(.*?)\]")
_NUMBERS = {"INT": "a whole number", "FLOAT": "a number"}


def parse(words: Sequence[str], description: str) -> Command:
    """The command of a command line. Help is printed, wrapped at the terminal's width, then SystemExit raised.

    Raises ValueError, with what would be right, for words that name no command or do not fit it.
    """
    if not words:
        raise ValueError(f"a command is missing: {', '.join(COMMANDS)} (ckd --help)")
    name = words[0]
    if name not in COMMANDS and not name.startswith("-"):
        hint = suggestion(name, COMMANDS) or f"expected one of {', '.join(COMMANDS)}"
        raise ValueError(f"there is no command '{name}': {hint} (ckd --help)")
    said, shown = io.StringIO(), io.StringIO()
    commands: list[Any] = [
        Annotated[
            Any,
            # of the other commands the first sentences, where all are listed
            tyro.conf.subcommand(known, constructor=kind, description=None if known == name else summary(kind)),
        ]
        for known, kind in COMMANDS.items()
    ]
    try:
        with redirect_stderr(said), redirect_stdout(shown):
            return tyro.cli(
                reduce(operator.or_, commands),
                prog="ckd",
                description=description,
                args=list(words),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if not end.code:
            lines = shown.getvalue().splitlines()
            print("\n".join(map(wrap, lines) if _HELP & set(words) else lines))
            raise
        raise ValueError(_in_one_line(said.getvalue(), f"ckd {name}" if name in COMMANDS else "ckd")) from None


def summary(kind: Any) -> str:
    """What a command does: the first paragraph of its description."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())


def _in_one_line(box: str, command: str) -> str:
    """What a parser says below a title, in parts between rules, and where help is."""
    text = "\n".join(line.strip("│╭╮╰╯ ") for line in box.splitlines())
    parts = [" ".join(part.split()) for part in _RULE.split(text)]
    fault, others = parts[1] if len(parts) > 1 else parts[0], parts[2:]
    missing = re.match(r"Missing from [\w ]+: (\S+)", fault)
    if missing:
        fault = f"{missing[1]} is missing"
    fault = _NOT_ONE_OF.sub(lambda found: f"{found[2]} is not {_NUMBERS[found[1]]}", fault)
    fault = re.sub(r" Got errors:.*|, 'None'|'None', ", "", fault).replace("__tyro-dummy-inner__.", "").rstrip(". ")
    own = [part for part in others if part.startswith("Perhaps you meant") and f"in {command} --help" in part]
    near = [re.search(r"--[\w-]+", part) for part in own]
    hint = "".join(f": did you mean {option[0]}?" for option in near if option)
    return f"{fault}{hint} ({command} --help)"
