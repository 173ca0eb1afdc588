"""How far `ckd calibrate` without a pattern is from the truth, on real pairs that are warped by known homographies.

    python benchmarks/calibration.py --data DIR [--sets roadscene m3svd] [--scenes 20] [--seed 0] [--json FILE]
    python benchmarks/calibration.py --data DIR --subset train        the pairs that its constants were chosen on

DIR holds `roadscene/` (`rgb/`, `tir/`: registered pairs) and `m3svd/clips/` (`NAME/visible/`, `NAME/infrared/`:
consecutive ones). A scene is one pair, or two moments of a clip. Its thermal images are seen through a random
homography: scale .9 to 1.1, rotation to 3 degrees, shift to 8 % of the image, perspective that changes the scale by up
to 4 % to each side. Both images are cut so that no border shows what was done.

The error is the mean distance, over a grid on the colour image, between where the registration found and the true
homography put a point, thermal pixels; *typical* the median over the grid, *largest* that of the worst point, at a
corner most often; *expected* what the registration says of itself. The pairs were registered by hand, by a few points:
what that is off counts as an error, and no method gets below it. So one more figure is given, *repeat*: how far what is
found is from what is found for the same images warped otherwise, each brought back by its own homography. It is free of
that, but also of any error that is made both times.

*unrelated*: the colour images of one scene with the thermal ones of another. All must be refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import cv2
import numpy as np
import tyro

from ckd_ros import geometry
from ckd_ros.calibration.images import GreyPair
from ckd_ros.calibration.scene import register_scene
from ckd_ros.calibration.settings import CalibrationSettings
from ckd_ros.datasets.splits import subset_of
from ckd_ros.files import replacing
from ckd_ros.geometry import FloatArray, Size

#: Expected errors up to this are taken, thermal pixels, as `ckd calibrate` does.
MAX_ERROR = CalibrationSettings().max_error
_CLIP_FRAMES = 2
#: Of an accepted scene, thermal pixels.
FIGURES = ("error", "typical", "largest", "expected", "repeat")


class Scene(NamedTuple):
    """Registered images of a moment or several, of one size."""

    name: str
    pairs: list[GreyPair]


class Warped(NamedTuple):
    """What two cameras would see of a scene.

    Attributes:
        uncut: 3x3, from their colour pixels to those of the scene.
        registered: 3x3, from there to the scene's thermal pixels, as whoever registered the pair would have it.
        view: 3x3, from there to their thermal pixels.
    """

    pairs: list[GreyPair]
    uncut: FloatArray
    registered: FloatArray
    view: FloatArray

    @property
    def truth(self) -> FloatArray:
        """3x3, from colour to thermal pixels."""
        return self.view @ self.registered @ self.uncut


def main(
    data: Path,
    sets: tuple[Literal["roadscene", "m3svd"], ...] = ("roadscene", "m3svd"),
    subset: Literal["held_out", "train"] = "held_out",
    scenes: int = 20,
    seed: int = 0,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Measure, print, and write as JSON where that is asked for. `scenes`: pairs of roadscene."""
    measured = {}
    for name in sets:
        known = list(road_scenes(data / name, subset, scenes) if name == "roadscene" else clip_scenes(data / name))
        print(f"{name:24}{'thermal':>12}" + "".join(f"{figure:>12}" for figure in (*FIGURES, "unrelated")))
        rows = measured[name] = []
        for row in measure(known, seed):
            rows.append(row)
            print(line(row), flush=True)
        print(summary(rows))
    if json_file is not None:
        with replacing(json_file) as path:
            path.write_text(json.dumps({"subset": subset, "seed": seed, "sets": measured}, indent=1) + "\n")


def measure(scenes: Sequence[Scene], seed: int) -> Iterator[dict]:
    """A row for each scene: its errors, or why it was refused; and whether unrelated images were."""
    for index, scene in enumerate(scenes):
        random = np.random.default_rng([seed, index])
        warped, again = random_view(scene.pairs, random), random_view(scene.pairs, random)
        row: dict = {"scene": scene.name, "thermal": list(warped.pairs[0].sizes[1])}
        row |= _found(warped, again)
        other = random_view(scenes[(index + len(scenes) // 2) % len(scenes)].pairs, random)
        mixed = [GreyPair(one.colour, two.thermal) for one, two in zip(warped.pairs, other.pairs, strict=True)]
        try:
            register_scene(mixed, MAX_ERROR)
            row["unrelated"] = "accepted"
        except ValueError:
            row["unrelated"] = "refused"
        yield row


def _found(warped: Warped, again: Warped) -> dict:
    try:
        outcome = register_scene(warped.pairs, MAX_ERROR)
    except ValueError as error:
        return {"refused": str(error)}
    size = warped.pairs[0].sizes[0]
    matrix = np.reshape(outcome.settings["matrix"], (3, 3))
    distances = grid_distances(matrix, warped.truth, size)
    row = {"error": float(distances.mean()), "typical": float(np.median(distances)), "largest": float(distances.max())}
    row["expected"] = outcome.error
    try:
        other = np.reshape(register_scene(again.pairs, MAX_ERROR).settings["matrix"], (3, 3))
        registered = np.linalg.inv(again.view) @ other @ np.linalg.inv(again.uncut)
        row["repeat"] = float(grid_distances(matrix, warped.view @ registered @ warped.uncut, size).mean())
    except ValueError:
        pass
    return row


def grid_distances(matrix: FloatArray, truth: FloatArray, size: Size) -> FloatArray:
    """How far apart two 3x3 transforms put the points of a 9 x 9 grid over an image of (width, height)."""
    points = geometry.grid(size, 9)
    apart = geometry.transform_points(matrix, points) - geometry.transform_points(truth, points)
    return np.linalg.norm(apart, axis=1)


def random_view(pairs: Sequence[GreyPair], random: np.random.Generator) -> Warped:
    """The images as two cameras see them that do not agree, without borders."""
    (width, height), (thermal_width, thermal_height) = pairs[0].sizes
    scale, turn = random.uniform(0.9, 1.1), np.radians(random.uniform(-3, 3))
    shift, tilt = random.uniform(-0.08, 0.08, 2), random.uniform(-0.04, 0.04, 2)
    # in units of half the image, about its middle
    similar = [[scale * np.cos(turn), -scale * np.sin(turn), 0], [scale * np.sin(turn), scale * np.cos(turn), 0]]
    for part in np.arange(0.98, 0.5, -0.01):
        size = (round(part * thermal_width), round(part * thermal_height))
        corner = ((thermal_width - size[0]) / 2, (thermal_height - size[1]) / 2)
        half = np.divide(size, 2)
        about_middle = np.array([*similar, [tilt[0] / half[0], tilt[1] / half[1], 1.0]])
        about_middle[:2, 2] = 2 * shift * half
        warp = geometry.translation(*half) @ about_middle @ geometry.translation(*-half)
        to_view = warp @ geometry.translation(-corner[0], -corner[1])
        seen = geometry.transform_points(np.linalg.inv(to_view), geometry.corners([0, 0, *size]))
        if (seen >= 0).all() and (seen <= [thermal_width, thermal_height]).all():
            break
    # the colour image is cut at whole pixels, and keeps its resolution
    left, top = round(corner[0] * width / thermal_width), round(corner[1] * height / thermal_height)
    across, down = round(size[0] * width / thermal_width), round(size[1] * height / thermal_height)
    views = []
    for pair in pairs:
        thermal = cv2.warpPerspective(pair.thermal, geometry.index_matrix(to_view), size, flags=cv2.INTER_CUBIC)
        views.append(GreyPair(pair.colour[top : top + down, left : left + across], thermal))
    registered = geometry.scaling(thermal_width / width, thermal_height / height)
    return Warped(views, geometry.translation(left, top), registered, to_view)


def road_scenes(folder: Path, subset: str, count: int) -> Iterator[Scene]:
    """Pairs of a folder with `rgb/` and `tir/`, spread evenly over a subset. Their colour images, which were stretched
    to cover what the thermal ones do, get the thermal ones' aspect, at twice their size."""
    names = subset_of((file.stem for file in (folder / "tir").iterdir()), subset)
    for index in np.unique(np.linspace(0, len(names) - 1, count).round().astype(int)):
        name = names[index]
        thermal = cv2.imread(str(folder / "tir" / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE)
        colour = cv2.imread(str(folder / "rgb" / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE)
        size = (2 * thermal.shape[1], 2 * thermal.shape[0])
        yield Scene(name, [GreyPair(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), thermal)])


def clip_scenes(folder: Path) -> Iterator[Scene]:
    """Moments of clips `clips/NAME/visible/`, `clips/NAME/infrared/`."""
    for clip in sorted(path for path in (folder / "clips").iterdir() if path.is_dir()):
        sides = [sorted((clip / side).iterdir()) for side in ("visible", "infrared")]
        chosen = np.linspace(0, len(sides[0]) - 1, _CLIP_FRAMES).round().astype(int)
        images = [[cv2.imread(str(side[index]), cv2.IMREAD_GRAYSCALE) for index in chosen] for side in sides]
        yield Scene(clip.name, [GreyPair(*both) for both in zip(*images, strict=True)])


def line(row: dict) -> str:
    """A scene's figures."""
    figures = [f"{row[name]:.2f}" if name in row else "refused" if name == FIGURES[0] else "" for name in FIGURES]
    size = "{} x {}".format(*row["thermal"])
    return f"{row['scene']:24}{size:>12}" + "".join(f"{figure:>12}" for figure in (*figures, row["unrelated"]))


def summary(rows: list[dict]) -> str:
    """How many were accepted, and the figures of those: their median and the largest."""
    accepted = [row for row in rows if "error" in row]
    parts = [f"{len(accepted)} of {len(rows)} accepted"]
    for name in FIGURES:
        values = [row[name] for row in accepted if name in row]
        parts += [f"{name}: median {np.median(values):.2f}, largest {max(values):.2f}"] if values else []
    unrelated = sum(row["unrelated"] == "refused" for row in rows)
    return "; ".join([*parts, f"unrelated: {unrelated} of {len(rows)} refused"])


if __name__ == "__main__":
    tyro.cli(main)
