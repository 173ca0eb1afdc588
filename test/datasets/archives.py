"""Small tar archives of images, as the readers of packed data expect them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np


def write_tar(path: Path, files: Mapping[str, np.ndarray | str | bytes]) -> Path:
    """An uncompressed tar: images by name (RGB where they have channels, stored as their suffix says), and
    texts or bytes as they are."""
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            if isinstance(content, bytes):
                data = content
            elif isinstance(content, str):
                data = content.encode()
            else:
                image = content[..., ::-1] if content.ndim == 3 else content
                data = cv2.imencode(Path(name).suffix, image)[1].tobytes()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
