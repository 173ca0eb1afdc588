"""Parameter files that were given to a node and did not reach it, which ROS passes over without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml


def ignored_files(arguments: Sequence[str], node: str, table: Iterable[str], given: Iterable[str]) -> list[str]:
    """A text for each parameter file that has parameters of a node but gave it none of them.

    Args:
        arguments: of the process, as `--params-file FILE`.
        node: the node's full name.
        table: the names of its parameters.
        given: the names of those that ROS handed to it.
    """
    table, given, texts = set(table), set(given), []
    for file in (value for option, value in zip(arguments, arguments[1:], strict=False) if option == "--params-file"):
        try:
            content = yaml.safe_load(Path(file).read_text())
        except (OSError, yaml.YAMLError):
            continue  # rcl has refused it, and the process with it
        found = {key: names & table for key, names in _sections(content, "")}
        names = set().union(*found.values())
        if names and not names & given:
            keys = " and ".join(f"'{key}'" for key in found)
            texts.append(
                f"the parameter file {file} has no effect: its parameters are under {keys}, but this node is '{node}'. "
                f"Put them under '{node}:' or '/**:'"
            )
    return texts


def _sections(content: Any, key: str) -> Iterator[tuple[str, set[str]]]:
    """The keys of a file that hold parameters, as one writes them, and the names of these."""
    if not isinstance(content, dict):
        return
    for name, below in content.items():
        if name == "ros__parameters":
            yield key, set(_names(below, ""))
        else:
            yield from _sections(below, f"{key}/{name}" if key else str(name))


def _names(content: Any, prefix: str) -> Iterator[str]:
    if not isinstance(content, dict):
        yield prefix
        return
    for name, below in content.items():
        yield from _names(below, f"{prefix}.{name}" if prefix else str(name))
