"""Packs what a training file learns from, to be carried to a machine that trains.

    tools/env.sh python tools/pack_training_data.py config/training/small.yaml --data DATA --out PACK
    ckd train config/training/small.yaml --data PACK            # there

Pairs keep the 640 pixels across that training reads them at, as JPEG. Of the videos only the windows around the target
that training cuts from them are kept, as WebP. Both lose a little: the samples of a pack are not quite those of the
originals. Data sets (`datasets:`) are left to be carried as they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import tyro

from ckd_ros.datasets.images import decode_file, list_images
from ckd_ros.training.config import load_config
from ckd_ros.training.samples.video_bank import VideoBank
from ckd_ros.training.samples.window_pack import PACK, write_pack

WIDTH = 640  # pixels across, of `ckd_ros.datasets.pairs.PairLibrary`


def main(config: tyro.conf.Positional[Path], data: Path, out: Path, quality: int = 90) -> None:
    """Write the folders that CONFIG names from DATA to OUT, by the same names, and print their sizes.

    `quality`: of JPEG and WebP, 1 to 100.
    """
    samples = load_config(config, data).samples
    folders = [samples.pairs, samples.thermal_videos, samples.visible_videos]
    for folder in filter(None, folders):
        if not folder.is_relative_to(data):
            raise SystemExit(f"'{folder}' of '{config}' is not in '{data}': name it there relative to the data folder")
        target = out / folder.relative_to(data)
        if folder == samples.pairs:
            pack_pairs(folder, target, quality)
        else:
            bank = VideoBank(folder, folder == samples.thermal_videos, samples.cache)
            write_pack(target / PACK, bank.images, bank.boxes, bank.clips, quality)
        size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        print(f"{target}: {size / 1e6:.1f} MB")


def pack_pairs(folder: Path, target: Path, quality: int) -> None:
    """Copy a folder of registered pairs; images wider than training reads them become JPEG of that width, 16-bit PNG.

    Raises ValueError for a damaged image: as a JPEG it would look whole.
    """
    for modality in ("rgb", "tir"):
        (target / modality).mkdir(parents=True, exist_ok=True)
        for name in list_images(folder / modality):
            file = folder / modality / name
            image = decode_file(file)
            if image.shape[1] <= WIDTH:
                shutil.copy(file, target / modality)
                continue
            size = (WIDTH, round(WIDTH * image.shape[0] / image.shape[1]))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            suffix, options = (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality]) if small.dtype == "uint8" else (".png", [])
            cv2.imwrite(str(target / modality / f"{file.stem}{suffix}"), small, options)


if __name__ == "__main__":
    tyro.cli(main)
