"""Fixtures that the tests of every package share, and what is done where a test's packages are not installed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from absent import skip_without

TESTS = Path(__file__).parent
# The package, the benchmarks (tested in test/benchmarks), and the folders of helpers that tests share. (A setting of
# pytest would do it, but that of Humble, 6.2, has none.)
HELPERS = ("calibration", "datasets", "evaluation", "ros", "tracking", "training")
sys.path[:0] = map(str, (TESTS.parent, TESTS.parent / "benchmarks", TESTS, *(TESTS / name for name in HELPERS)))

# A shell that starts the tests in the background has them ignore Ctrl-C, and so every process that they start and stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    skip_without((yield).get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    skip_without((yield).get_result())


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference figures and data: `CKD_ROS_SHARED`, else `shared` next to the checkout."""
    path = Path(os.environ.get("CKD_ROS_SHARED", Path(__file__).parents[2] / "shared"))
    if not path.is_dir():
        pytest.skip(f"no reference data at {path}: set CKD_ROS_SHARED to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def reference(shared) -> dict:
    """The reference network's weights (`w/NAME`), inputs and figures, name -> torch tensor."""
    numpy, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    path = shared / "reference" / "tiny.npz"
    if not path.is_file():
        pytest.skip(f"no reference figures at {path}")
    with numpy.load(path) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="session")
def reference_config():
    """The configuration of the reference network: the paper's layout, narrow, without drop path."""
    pytest.importorskip("torch")
    from ckd_ros.network.config import CKDConfig

    return CKDConfig("reference", embed_dim=48, num_heads=3, head_channels=(32, 16, 8, 4), drop_path=0.0)


@pytest.fixture(scope="session")
def model_path(tmp_path_factory) -> Path:
    """The hand-made network of `correlation.py` as a file."""
    onnx = pytest.importorskip("onnx")
    from correlation import correlation_model

    path = tmp_path_factory.mktemp("model") / "correlation.onnx"
    onnx.save(correlation_model(), path)
    return path


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test installs it")
    root = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(root / "tools"))
    try:
        import debian_packages
    finally:
        sys.path.remove(str(root / "tools"))
    found = debian_packages.browser(root / ".venv")
    if found is None:
        pytest.skip("there is no Chromium: 'make test' fetches one on Debian, elsewhere install 'chromium'")
    program, variables = found
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags, env=dict(os.environ, **variables))
        yield browser
        browser.close()
