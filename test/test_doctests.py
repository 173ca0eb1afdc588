"""The examples in the package's docstrings are run, and show what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
WITH_EXAMPLES = sorted(path for path in (ROOT / "ckd_ros").rglob("*.py") if ">>> " in path.read_text())
NAMES = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in WITH_EXAMPLES]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("ckd_ros.") and missing not in ("ckd_ros.msg", "ckd_ros.srv"):
            raise
        pytest.skip(f"{name} needs {missing}, which is not installed")
    with np.printoptions(legacy="1.25"):  # 1.0 rather than np.float64(1.0), whichever NumPy it is
        failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert tried and not failed, "see the captured output"


def test_there_are_examples():
    assert {"ckd_ros.datasets.boxes", "ckd_ros.datasets.pairing", "ckd_ros.datasets.splits"} <= set(NAMES)
