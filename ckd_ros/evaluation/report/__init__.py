"""What a person reads of an evaluation: `report.md`, a self-contained `report.html`, and `plots/` for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ckd_ros.datasets.sequence import FrameSequence
from ckd_ros.evaluation.scores import Evaluation
from ckd_ros.files import replacing

#: Where plots lie, beside the reports.
PLOTS = "plots"


def write_report(evaluation: Evaluation, out: Path, sequences: Mapping[str, FrameSequence]) -> None:
    """Write `report.md`, `report.html`, `plots/*.png` and `plots/*.pdf` into the folder `out`.

    `sequences` by name are where the pictures of frames come from; those of names that are not there are left out. All
    is made before anything is written, and each file is written whole or not at all: an error leaves an older report as
    it was. The same evaluation gives the same files. Raises OSError where `out` cannot be written.
    """
    from ckd_ros.evaluation.report.figures import FORMATS, plots
    from ckd_ros.evaluation.report.markdown import markdown
    from ckd_ros.evaluation.report.page import page

    out = Path(out)
    made = plots(evaluation)
    files = {f"{plot.name}.{form}": plot.file(form) for plot in made for form in FORMATS}
    as_html, as_markdown = page(evaluation, made, sequences, out), markdown(evaluation, made, PLOTS)
    for name, data in files.items():
        with replacing(out / PLOTS / name) as temporary:
            temporary.write_bytes(data)
    for name, text in {"report.md": as_markdown, "report.html": as_html}.items():
        with replacing(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    # A plot that an earlier report of this folder had and this one has not.
    for path in (out / PLOTS).glob("*.*"):
        if path.name not in files and path.stem in ("attributes", "speed", "normalised_precision"):
            path.unlink()
