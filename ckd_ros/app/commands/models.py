"""`ckd models`."""

from __future__ import annotations

from dataclasses import dataclass

from ckd_ros.app.terminal import wrap


@dataclass(frozen=True)
class Models:
    """List the shipped networks with size, licence and figures; each is held against its hash.

    Each can be given by its name wherever a network is asked for; models/README.md says more of them.

    Example: ckd models
    """

    def run(self) -> None:
        from ckd_ros.tracking.engine import intact, shipped_models

        sets, models = shipped_models()
        for model in models:
            figures = ", ".join(f"{name} {figure}" for name, figure in model.figures.items())
            print(wrap(f"{model.name} ({model.path.stat().st_size / 1e6:.0f} MB): {model.purpose}"))
            print(wrap(f"licence: {model.licence}", "    "))
            print(wrap(figures, "    "))
            intact(model.path)
        print("\nFigures are success rates in per cent, in brackets the share of frames lost, on")
        for name, what in sets.items():
            print(wrap(f"{name}: {what}", "    "))
