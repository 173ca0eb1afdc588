"""Writes config/tracker.yaml from the settings that the node declares its parameters from.

    tools/env.sh python tools/write_config.py

The settings (ckd_ros/ros/parameters.py, and the tracker's own) are the one place where a parameter is named, described
and given its range and default; a test fails when the file no longer says the same.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from functools import partial
from itertools import groupby
from pathlib import Path

from ckd_ros.ros.parameters import GROUPS, PARAMETERS
from ckd_ros.settings import Setting

CONFIG = Path(__file__).resolve().parent.parent / "config" / "tracker.yaml"
WIDTH = 116

HEADER = """\
# The parameters of the tracker node, all at their defaults.
#
# Copy this file, keep what you change, and start the tracker with it:
#
#     ros2 launch ckd_ros tracker.launch.py params_file:=/path/to/my.yaml
#
# Those marked [restart] are read when the node is configured. All others can be changed while it runs:
#
#     ros2 param set /ckd/tracker sync.slop 0.02
#
# Written by tools/write_config.py from ckd_ros/ros/parameters.py.

/**:
  ros__parameters:
"""


def config_text() -> str:
    """The whole file."""
    text = HEADER
    for group, members in groupby(PARAMETERS.values(), key=_group):
        indent = "    "
        if group:
            text += f"\n{indent}# {_summary(group)}\n{indent}{group}:\n"
            indent += "  "
        for parameter in members:
            text += "" if text.endswith(":\n") and group else "\n"
            text += _explained(parameter, indent)
    return text


def _summary(group: str) -> str:
    """The first line of what is said about the settings of a group."""
    return inspect.getdoc(dict(reversed(GROUPS))[group]).splitlines()[0]


def _group(parameter: Setting) -> str:
    return parameter.name.rpartition(".")[0]


def _explained(parameter: Setting, indent: str) -> str:
    takes = f"takes {parameter.allowed()}{' [restart]' if parameter.read_only else ''}"
    prefix = f"{indent}# "
    wrap = partial(textwrap.wrap, width=WIDTH, initial_indent=prefix, subsequent_indent=prefix)
    lines = [*wrap(parameter.description), *wrap(takes)]
    # JSON's numbers, strings and lists are YAML's, and a whole float keeps its decimal point, as ROS 2 demands.
    value = json.dumps(parameter.default)
    return "\n".join(lines) + f"\n{indent}{parameter.name.rpartition('.')[2]}: {value}\n"


if __name__ == "__main__":
    CONFIG.write_text(config_text())
