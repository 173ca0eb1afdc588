"""Writes config/tracker.yaml from the table that the node declares its parameters with.

    tools/env.sh python tools/write_config.py

The table (ckd_ros/ros/parameters.py) is the one place where a parameter is named, described and given its range and
default; a test fails when the file no longer says the same.
"""

from __future__ import annotations

import json
import textwrap
from functools import partial
from itertools import groupby
from pathlib import Path

from ckd_ros.ros.parameters import PARAMETERS, Parameter

CONFIG = Path(__file__).resolve().parent.parent / "config" / "tracker.yaml"
WIDTH = 116

HEADER = """\
# The parameters of the tracker node, all at their defaults.
#
# Copy this file, keep what you change, and start the tracker with it:
#
#     ros2 launch ckd_ros tracker.launch.py config:=/path/to/my.yaml
#
# Those marked [restart] are read when the node is configured. All others can be changed while it runs:
#
#     ros2 param set /ckd/tracker sync.slop 0.02
#
# Written by tools/write_config.py from ckd_ros/ros/parameters.py.

/**:
  ros__parameters:
"""

GROUPS = {
    "model": "The network and what it runs on.",
    "qos": "How images are received.",
    "sync": "Which images belong together.",
    "registration": "Where a pixel of the colour image lies in the thermal image.",
    "thermal": "Thermal counts of any range become an 8-bit image.",
    "tracker": "How the network's answer becomes a box, and when a target counts as uncertain or lost.",
    "frames": "Names of coordinate frames, for cameras that leave them out.",
    "overlay": "The annotated image, made only while someone looks at it.",
    "markers": "The viewing ray to the target, for RViz.",
}


def config_text() -> str:
    """The whole file."""
    text = HEADER
    for group, members in groupby(PARAMETERS.values(), key=_group):
        indent = "    "
        if group:
            text += f"\n{indent}# {GROUPS[group]}\n{indent}{group}:\n"
            indent += "  "
        for parameter in members:
            text += "" if text.endswith(":\n") and group else "\n"
            text += _explained(parameter, indent)
    return text


def _group(parameter: Parameter) -> str:
    return parameter.name.rpartition(".")[0]


def _explained(parameter: Parameter, indent: str) -> str:
    takes = f"takes {parameter.allowed()}{' [restart]' if parameter.read_only else ''}"
    prefix = f"{indent}# "
    wrap = partial(textwrap.wrap, width=WIDTH, initial_indent=prefix, subsequent_indent=prefix)
    lines = [*wrap(parameter.description), *wrap(takes)]
    # JSON's numbers, strings and lists are YAML's, and a whole float keeps its decimal point, as ROS 2 demands.
    value = json.dumps(parameter.default)
    return "\n".join(lines) + f"\n{indent}{parameter.name.rpartition('.')[2]}: {value}\n"


if __name__ == "__main__":
    CONFIG.write_text(config_text())
