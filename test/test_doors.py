"""The rooms' doors: who may import whom, so that a robot needs no PyTorch and the tracker no ROS.

Read from the sources, so that it holds for what is imported lazily inside functions too.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "ckd_ros"

#: Every room (folder or module of the package) and those it may import. `cli` and `ros` run what others built.
MAY_IMPORT = {
    "geometry": set(),
    "frames": set(),
    "files": set(),
    "network": {"files", "geometry"},
    "datasets": {"geometry", "frames", "files"},
    "tracking": {"geometry", "frames", "files"},
    # validation is by real tracking
    "training": {"network", "datasets", "tracking", "evaluation", "geometry", "frames", "files"},
    "evaluation": {"tracking", "datasets", "geometry", "frames", "files"},
    "ros": {"tracking", "datasets", "evaluation", "geometry", "frames", "files", "msg", "srv"},
}
#: Libraries that a room must not need.
MUST_NOT_NEED = {
    "geometry": {"cv2", "torch", "rclpy", "onnxruntime"},
    "frames": {"cv2", "torch", "rclpy", "onnxruntime"},
    "files": {"cv2", "torch", "rclpy", "onnxruntime"},
    "network": {"cv2", "rclpy"},
    "datasets": {"torch", "rclpy"},
    "tracking": {"torch", "rclpy"},
    "training": {"rclpy"},
    "evaluation": {"torch", "rclpy"},
    "ros": {"torch"},
}
#: Files that may do more than their room: rooms and libraries. Nobody imports them but lazily.
EXCEPTIONS = {"tracking/torch_engine.py": ({"network"}, {"torch"})}


def sources(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def imports(path: Path, lazy: bool = True) -> set[str]:
    """Dotted names that a file imports; with `lazy` false, only those imported when the file is."""
    tree = ast.parse(path.read_text(), str(path))
    package = ("ckd_ros", *path.relative_to(PACKAGE).parts[:-1])
    names = set()
    for node in _eager(tree) if not lazy else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def _eager(node: ast.AST):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _eager(child)


def _excepted(path: Path) -> tuple[set[str], set[str]]:
    return EXCEPTIONS.get(path.relative_to(PACKAGE).as_posix(), (set(), set()))


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("ckd_ros.")}


def test_every_room_has_its_doors_stated():
    found = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p.is_dir() and any(p.glob("*.py")))}
    assert found - {"__init__", "__main__", "cli"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_through_its_doors(room):
    for path in sources(room):
        through = rooms_of(imports(path)) - {room} - _excepted(path)[0]
        assert through <= MAY_IMPORT[room], f"{path.name} imports {sorted(through - MAY_IMPORT[room])}"


@pytest.mark.parametrize("room", MUST_NOT_NEED)
def test_a_room_does_without_what_it_must_not_need(room):
    for path in sources(room):
        needed = {name.split(".")[0] for name in imports(path)} & MUST_NOT_NEED[room] - _excepted(path)[1]
        assert not needed, f"{path.name} imports {sorted(needed)}"


@pytest.mark.parametrize("path", EXCEPTIONS)
def test_an_exception_is_imported_lazily(path):
    module = "ckd_ros." + path.removesuffix(".py").replace("/", ".")
    rooms = [room for room in MAY_IMPORT if room != "training"]  # training needs PyTorch anyway
    for other in (file for room in rooms for file in sources(room)):
        eager = imports(other, lazy=False)
        assert not any(name == module or name.startswith(f"{module}.") for name in eager), other


def test_the_command_line_imports_what_needs_torch_or_ros_lazily():
    for path in sources("cli"):
        eager = imports(path, lazy=False)
        assert not {name.split(".")[0] for name in eager} & {"torch", "rclpy"}, path
        assert not rooms_of(eager) & {"network", "training", "ros"}, path


@pytest.mark.parametrize("module", ["ckd_ros.tracking", "ckd_ros.geometry", "ckd_ros.frames"])
def test_importing_the_runtime_loads_neither_torch_nor_rclpy(module):
    """The sources of this package could be clean and a library of theirs not: ask a fresh interpreter."""
    code = f"import sys, {module}; print(*sorted({{'torch', 'rclpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_door_keeper_sees_every_form_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "tracking" / "probe.py"
    path.parent.mkdir()
    path.write_text(
        "import torch.nn as nn\nfrom ckd_ros import network\nfrom ..training import losses\nfrom . import engine\n"
        "def late():\n    import rclpy\n    from ckd_ros.datasets.sequence import Sequence\n"
    )
    names = imports(path)
    assert {"torch.nn", "rclpy"} <= names
    assert rooms_of(names) == {"network", "training", "tracking", "datasets"}
    assert rooms_of(imports(path, lazy=False)) == {"network", "training", "tracking"}
