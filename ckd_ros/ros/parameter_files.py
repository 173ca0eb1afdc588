"""Parameter files that were given to a node and did not reach it: ROS ends over some, and passes over others without a
word."""

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
    for file in _files(arguments):
        content = yaml.safe_load(Path(file).read_text())  # rcl has read it, too
        found = {key: {name for name, _ in flat(below)} & table for key, below in sections(content)}
        names = set().union(*found.values())
        if names and not names & given:
            keys = " and ".join(f"'{key}'" for key in found)
            texts.append(
                f"the parameter file {file} has no effect: its parameters are under {keys}, but this node is '{node}'. "
                f"Put them under '{node}:' or '/**:'"
            )
    return texts


def unusable_files(arguments: Sequence[str]) -> list[str]:
    """A text for each parameter file among the arguments of a process that ROS cannot use, and would end over."""
    texts = []
    for file in _files(arguments):
        try:
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            texts.append(f"the parameter file {file} cannot be read: {error.strerror}")
            continue
        except UnicodeDecodeError:
            texts.append(f"the parameter file {file} is not a text file")
            continue
        except (yaml.YAMLError, ValueError) as error:  # the latter of a date that there is not
            mark = getattr(error, "problem_mark", None)
            where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            problem = " ".join(str(getattr(error, "problem", error)).split())
            texts.append(f"the parameter file {file} is not YAML: {problem}{where}")
            continue
        stray = None if content is None else _stray(content, "")
        if stray is not None:
            texts.append(
                f"the parameter file {file} has {stray} outside of 'ros__parameters': as in config/tracker.yaml, "
                "parameters are under a node's name (or '/**'), and there under 'ros__parameters'"
            )
    return texts


def _files(arguments: Sequence[str]) -> list[str]:
    return [value for option, value in zip(arguments, arguments[1:], strict=False) if option == "--params-file"]


def _stray(content: Any, key: str) -> str | None:
    """What in a file is no parameter of any node; None if all is."""
    if not isinstance(content, dict):
        return f"'{key}'" if key else "something"
    for name, below in content.items():
        if name != "ros__parameters" and (stray := _stray(below, str(name))):
            return stray
    return None


def sections(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The keys of a file's content below which parameters stand, as one writes them, and what stands there."""
    if not isinstance(content, dict):
        return
    for name, below in content.items():
        if name == "ros__parameters":
            yield key, below
        else:
            yield from sections(below, f"{key}/{name}" if key else str(name))


def flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The parameters of a section, by their full names, and their values."""
    if not isinstance(content, dict):
        yield prefix, content
        return
    for name, below in content.items():
        yield from flat(below, f"{prefix}.{name}" if prefix else str(name))
