"""`ckd simulate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ckd_ros.app.commands.arguments import Output
from ckd_ros.app.commands.options import options_of
from ckd_ros.app.terminal import with_progress
from ckd_ros.datasets.simulator import SimulatorConfig


@dataclass(frozen=True)
class Simulate:
    """Write a simulated sequence with its truth, in the form of the LasHeR benchmark.

    Example: ckd simulate night --night 1 --frames 200 --bag

    Attributes:
        out: new folder for visible/, infrared/ and the truth.
        settings: what is simulated.
        bag: write an MCAP bag with the same images too, as OUT/bag.
    """

    out: tyro.conf.Positional[Output]
    settings: Annotated[
        tyro.conf.OmitArgPrefixes[SimulatorConfig], tyro.conf.arg(constructor=options_of(SimulatorConfig))
    ]
    bag: bool = False

    def run(self) -> None:
        from ckd_ros.datasets.lasher import write_lasher
        from ckd_ros.datasets.simulator import SimulatedSequence

        sequence, out = SimulatedSequence(self.settings), self.out
        write_lasher(sequence, out, with_progress(sequence.frames(), len(sequence), f"write {out}"))
        if self.bag:
            from ckd_ros.datasets.bag import write_bag

            frames = with_progress(sequence.frames(), len(sequence), f"write {out / 'bag'}")
            write_bag(sequence, out / "bag", frames=frames)
