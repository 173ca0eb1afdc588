"""`ckd calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ckd_ros.app.commands.arguments import OptionalFile, Source
from ckd_ros.app.commands.options import options_of
from ckd_ros.app.terminal import console, with_progress
from ckd_ros.calibration.settings import CalibrationSettings

if TYPE_CHECKING:
    from ckd_ros.calibration.images import GreyPair
    from ckd_ros.calibration.outcome import Outcome
    from ckd_ros.geometry import FloatArray


@dataclass(frozen=True)
class Calibrate:
    """Find where a colour pixel lies in the thermal image, and write it as a file of parameters.

    From the edges that both cameras see of a scene, from a target pattern, or from points that you name. Where the
    images cannot tell it is refused, and nothing is written. Look at the picture that is written beside the file.

    Example: ckd calibrate rgb.mp4,thermal.mp4 --out registration.yaml
    Example: ckd calibrate topics:/ckd/rgb/image,/ckd/thermal/image

    Attributes:
        source: a recording or live cameras, as `ckd track` takes them, or topics:/COLOUR,/THERMAL, of raw images or
            compressed ones below them.
        settings: how it is looked for.
        out: file of parameters for the node and `ckd track --config`; beside it, as .png, the thermal image's edges on
            the colour image, before and after; default: runs/calibrate/NAME.yaml.
        points: file of pixels that show the same things, four and more lines x,y of the colour image and x,y of the
            thermal image, counted from the upper left corner.
        config: parameter file of the node, whose thermal.crop, and sync.thermal_offset for topics and bags, hold here
            too, and whose registration is shown as what was before.
    """

    source: tyro.conf.Positional[Source]
    settings: Annotated[
        tyro.conf.OmitArgPrefixes[CalibrationSettings], tyro.conf.arg(constructor=options_of(CalibrationSettings))
    ]
    out: OptionalFile = None
    points: OptionalFile = None
    config: OptionalFile = None

    def run(self) -> None:
        import cv2

        from ckd_ros.app.calibration_frames import frames_of, open_frames
        from ckd_ros.app.node_settings import read_node_settings
        from ckd_ros.calibration.parameter_file import parameter_text
        from ckd_ros.calibration.picture import before_and_after
        from ckd_ros.datasets.sequence import FrameSequence
        from ckd_ros.files import refuse_inputs, refuse_unwritable

        points = self._points()
        node = read_node_settings(self.config)
        with open_frames(self.source, node.thermal_offset) as source:
            out = self.out or Path("runs") / "calibrate" / f"{source.name}.yaml"
            picture = out.with_suffix(".png")
            if picture == out:
                raise ValueError(f"'{out}' is the name of the picture: name the file of parameters, as NAME.yaml")
            refuse_unwritable([out, picture])
            refuse_inputs([out, picture], [*source.inputs, *filter(None, (self.config, self.points))])
            frames = frames_of(source, self.settings.frames, node.thermal_crop)
            count = self.settings.frames
            total = min(count, len(source)) if isinstance(source, FrameSequence) else count
            pairs = list(with_progress(frames, total, f"read {source.name}"))
        outcome = self._outcome(pairs, points)
        middle = pairs[len(pairs) // 2]
        shown = before_and_after(middle, node.registration, outcome.registration)
        _write(picture, cv2.imencode(".png", shown)[1].tobytes())
        _write(out, parameter_text(outcome, node.thermal_crop).encode())
        console().print(
            f"{outcome.summary}. {out} is for the node and `ckd track --config`; look at {picture}",
            markup=False,
            soft_wrap=True,
        )

    def _points(self) -> tuple[FloatArray, FloatArray] | None:
        from ckd_ros.calibration.points import read_points

        if self.settings.pattern == "none" and self.settings.square:
            raise ValueError("--square is that of a pattern: give --pattern too")
        if self.settings.pattern != "none" and self.points is not None:
            raise ValueError("give --points or --pattern, not both")
        return None if self.points is None else read_points(self.points)

    def _outcome(self, pairs: list[GreyPair], points: tuple[FloatArray, FloatArray] | None) -> Outcome:
        from ckd_ros.calibration.pattern import register_pattern
        from ckd_ros.calibration.points import register_points
        from ckd_ros.calibration.scene import register_scene

        if points is not None:
            return register_points(*points, pairs[0].sizes, self.settings.max_error)
        if self.settings.pattern != "none":
            return register_pattern(pairs, self.settings)
        return register_scene(pairs, self.settings.max_error)


def _write(file: Path, content: bytes) -> None:
    from ckd_ros.files import replacing

    with replacing(file) as path:
        path.write_bytes(content)
