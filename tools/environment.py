"""Which ROS 2 a set-up is for, and where in the checkout it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from progress import SetupError

#: Distributions on PyPI. The first is the default: of these it is supported longest (Jazzy to May 2029, Kilted to
#: the end of 2026), and the one that most robots run.
ON_PYPI = ("jazzy", "kilted")


class Environment(NamedTuple):
    """A ROS 2 distribution with the folders that belong to it."""

    root: Path
    distribution: str
    installed: bool  # a distribution that was sourced; else it comes from PyPI

    @property
    def venv(self) -> Path:
        return self._folder(".venv")

    @property
    def stamps(self) -> Path:
        return self.venv / "setup_stamps.json"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def build(self) -> Path:
        return self._folder("build")

    @property
    def install(self) -> Path:
        return self._folder("install")

    @property
    def log(self) -> Path:
        return self._folder("log")

    def _folder(self, name: str) -> Path:
        """Beside those of the default or the sourced distribution, so that no choice of another one undoes them."""
        default = self.installed or self.distribution == ON_PYPI[0]
        return self.root / (name if default else f"{name}-{self.distribution}")


def choose(root: Path, variables: Mapping[str, str]) -> Environment:
    """The environment for the variables ROS_DISTRO, of a sourced distribution, and DISTRO, of one that is wished for.

    Raises SetupError where both are named and differ, or where the wished one is not on PyPI.
    """
    sourced, wished = variables.get("ROS_DISTRO"), variables.get("DISTRO")
    if sourced:
        if wished and wished != sourced:
            raise SetupError(
                f"DISTRO is {wished}, but ROS 2 {sourced} is sourced here (ROS_DISTRO): leave DISTRO out, or use a "
                "shell that sourced none"
            )
        return Environment(root, sourced, installed=True)
    distribution = wished or ON_PYPI[0]
    if distribution not in ON_PYPI:
        raise SetupError(
            f"DISTRO is {distribution}, but ROS 2 is on PyPI as {' and '.join(ON_PYPI)} only: source the setup.bash of "
            "an installed one"
        )
    return Environment(root, distribution, installed=False)
