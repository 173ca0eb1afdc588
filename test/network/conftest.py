"""Exported networks that several modules of tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def transformer(tmp_path_factory) -> Path:
    """A file of the preset `tinyvit` without training."""
    pytest.importorskip("onnx")
    from students import lively

    from ckd_ros.network.export import export_onnx
    from ckd_ros.network.presets import preset

    path = tmp_path_factory.mktemp("exported") / "tinyvit.onnx"
    export_onnx(lively(preset("tinyvit")), path)
    return path
