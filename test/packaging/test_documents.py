"""Every path, module and test that the documents name is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["CONTRIBUTING.md", "README.md", "models/README.md"]
DOCUMENTS += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
MADE = {"build", "install", "log", "demo", "runs"}  # and build-kilted, ...
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name.partition("-")[0] not in MADE)
#: For those who change the package: a module without its folder is one of ours there, elsewhere it may be a user's.
INSIDE = ("CONTRIBUTING.md", "docs/architecture.md")
#: A path from the top of the repository, and one from the top of the package as in `ros/worker.py`.
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*\w")
MODULE = re.compile(r"(?<![\w/.-])[a-z_]+(?:/[a-z_]+)*\.py\b")
DOTTED = re.compile(r"(?<![\w/.-])ckd_ros(?:\.\w+)+")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(test_\w+)`")
NAME = re.compile(r"`([A-Z]\w+)`")
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@cache
def sources(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / folder).rglob("*.py")))


def is_module(path: str) -> bool:
    """Whether there is such a file: below the top, below the package, or a bare name anywhere in either."""
    if "/" in path:
        return (ROOT / path).is_file() or (ROOT / "ckd_ros" / path).is_file()
    return any(next((ROOT / folder).rglob(path), None) for folder in ("ckd_ros", "benchmarks", "tools", "test"))


def is_name(dotted: str) -> bool:
    """Whether there is such a module, or a module with such a name in it."""
    path = ROOT / dotted.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    holders = [file for file in (path.parent.with_suffix(".py"), path.parent / "__init__.py") if file.is_file()]
    return any(re.search(rf"\b{path.name}\b", file.read_text()) for file in holders)


def faults(document: str, text: str) -> list[str]:
    folder = (ROOT / document).parent
    absent = [link for link in LINK.findall(text) if not (folder / link).exists()]
    # names of interfaces as ROS writes them, and files of the user
    text = re.sub(r"\bckd_ros/(?:msg/|srv/)?[A-Z]\w+|\w+\.(?:csv|jpg|mp4|mcap)\b", "", text)
    absent += [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    absent += [path for path in MODULE.findall(text) if ("/" in path or document in INSIDE) and not is_module(path)]
    absent += [name for name in DOTTED.findall(text) if not is_name(name)]
    absent += [name for name in TEST.findall(text) if f"def {name}(" not in sources("test")]
    if document in INSIDE:
        code = sources("ckd_ros") + sources("test")
        absent += [name for name in NAME.findall(text) if not re.search(rf"\b{name}\b", code)]
    return sorted(set(absent))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_is_there(document):
    assert faults(document, (ROOT / document).read_text()) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_an_example_imports_is_there(document):
    for example in EXAMPLE.findall((ROOT / document).read_text()):
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ckd_ros"):
                assert all(is_name(f"{node.module}.{alias.name}") for alias in node.names), ast.unparse(node)


def test_what_is_not_there_is_found():
    nothing = 2 * "Tracker"  # written out, it would be found here
    absent = [nothing, "ckd_ros.tracking.nothing", "ckd_ros/nothing.py", "docs/none.md", "ros/gone.py", "test_of_it"]
    named = [f"`{nothing}`", "ckd_ros.tracking.nothing", "`ckd_ros/nothing.py`", "[x](docs/none.md)", "ros/gone.py"]
    assert faults("CONTRIBUTING.md", ", ".join([*named, "`test_of_it`"])) == absent
    there = [
        "`Tracker`",
        "ckd_ros.tracking.Tracker",
        "`ckd_ros/ros/worker.py`",
        "[x](docs/training.md#x)",
        "ros/worker.py",
    ]
    assert faults("CONTRIBUTING.md", ", ".join([*there, "crops.py", "tools/env.sh", "ckd_ros.datasets.sources"])) == []


def test_the_readme_leads_inside():
    inside = (ROOT / "README.md").read_text().partition("## Inside")[2]
    assert "(CONTRIBUTING.md)" in inside and "(docs/architecture.md)" in inside
    packages = {path.parent.name for path in (ROOT / "ckd_ros").glob("*/__init__.py")}
    assert {name for name in packages if f"ckd_ros/{name}/" not in inside} == set()
