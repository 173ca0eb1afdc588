"""The commands of `ckd`: dataclasses whose fields are the command line, and whose `run` imports what it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ckd_ros.app.commands.calibrate import Calibrate
from ckd_ros.app.commands.evaluate import Evaluate
from ckd_ros.app.commands.models import Models
from ckd_ros.app.commands.network_files import Export, Import, Quantise
from ckd_ros.app.commands.simulate import Simulate
from ckd_ros.app.commands.track import Track
from ckd_ros.app.commands.train import Train
from ckd_ros.app.commands.view import View


class Command(Protocol):
    """What was asked for on the command line."""

    def run(self) -> None:
        """Do it. Raises what `ckd_ros.app.cli.main` turns into one line."""


COMMANDS: dict[str, Callable[..., Command]] = {
    "track": Track,
    "evaluate": Evaluate,
    "models": Models,
    "simulate": Simulate,
    "calibrate": Calibrate,
    "train": Train,
    "export": Export,
    "quantise": Quantise,
    "import": Import,
    "view": View,
}
