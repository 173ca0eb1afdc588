"""The ablation's figures as tables, as JSON and as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import yaml
from bootstrap import Interval, mean_interval
from matplotlib.figure import Figure
from rich.console import Console

from ckd_ros.files import replacing

_HEADER = (
    "| student | AUC | AUC less full CKD's | no colour | less full's | no thermal | less full's |"
    " gap | relative gap | network | GMACs |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def report(out: Path, variants: dict[str, dict], results: dict[str, dict], budget: Path, sequences: list[str]) -> None:
    """Write `ablation.md`, `ablation.json` and `gap.png` into `out`, and print the tables.

    `results` holds for each variant `auc` (lists of one figure a sequence, in the order of the names `sequences`),
    `gap`, `curve` and `cost`.
    """
    figures = {name: _figures(result, results["full"], results["control"]) for name, result in results.items()}
    document = {
        "budget": yaml.safe_load(budget.read_text()),
        "sequences": sequences,
        "variants": {name: {**variants[name], **figures[name], **results[name]} for name in results},
    }
    stages = {
        title: "".join(_row(variants[name]["title"], figures[name], results[name]) for name in names)
        for title, names in (
            ("Stage 1", [name for name in results if variants[name]["stage"] == "distil"]),
            ("Stage 2", ["full", *(name for name in results if variants[name]["stage"] == "eliminate")]),
        )
    }
    text = "\n".join(f"### {title}\n\n{_HEADER}{rows}" for title, rows in stages.items())
    with replacing(out / "ablation.md") as temporary:
        temporary.write_text(text)
    with replacing(out / "ablation.json") as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n")
    _picture(out / "gap.png", variants, results)
    Console(width=240).print(text)


def _figures(result: dict, full: dict, control: dict) -> dict[str, dict[str, Interval]]:
    """Mean AUC of each setting, its difference to full CKD and to the control, with their intervals (paired)."""
    found = {}
    for setting, values in result["auc"].items():
        found[setting] = {
            "auc": mean_interval(np.array(values)),
            "less_full": mean_interval(np.array(values) - full["auc"][setting]),
            "less_control": mean_interval(np.array(values) - control["auc"][setting]),
        }
    return {"intervals": found}


def _row(title: str, figures: dict, result: dict) -> str:
    cells = []
    for setting in ("both", "thermal", "rgb"):  # nothing, colour, thermal withheld
        mean, less = figures["intervals"][setting]["auc"], figures["intervals"][setting]["less_full"]
        cells += [f"{mean.mean:.3f}" + (f" [{mean.low:.3f}, {mean.high:.3f}]" if setting == "both" else "")]
        cells += [f"{less.mean:+.3f} [{less.low:+.3f}, {less.high:+.3f}]" if less.low != less.high else ""]
    gap, cost = result["gap"], result["cost"]
    cells += [f"{sum(gap['distance']):.2f}", f"{np.mean(gap['relative']):.3f}"]
    cells += [f"{cost['ms']:.1f} ms", f"{cost['gmacs']:.3f}"]
    return f"| {title} | " + " | ".join(cells) + " |\n"


def _picture(path: Path, variants: dict[str, dict], results: dict[str, dict]) -> None:
    """The gap over the training's steps, and block by block at its end, of the students of stage 1."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    for column, (kind, title) in enumerate(
        (("distance", "distance of channel statistics"), ("relative", "relative to their magnitude"))
    ):
        combine = np.sum if kind == "distance" else np.mean
        for name, result in results.items():
            if not result["curve"]:
                continue
            style = {"label": variants[name]["title"], "lw": 2.5 if name == "full" else 1.2, "marker": ".", "ms": 4}
            steps = [point["step"] for point in result["curve"]]
            axes[0, column].plot(steps, [combine(point[kind]) for point in result["curve"]], **style)
            axes[1, column].plot(range(len(result["gap"][kind])), result["gap"][kind], **style)
        which = "sum" if kind == "distance" else "mean"
        axes[0, column].set(xlabel="training step", ylabel=f"{which} over blocks", ylim=(0, None))
        axes[0, column].set_title(f"modality gap: {title}")
        axes[1, column].set(xlabel="block", ylabel="at the end", ylim=(0, None))
    axes[0, 0].legend(fontsize=8)
    for each in axes.flat:
        each.grid(alpha=0.3)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
