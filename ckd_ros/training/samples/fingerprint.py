"""What tells the data of one run from those of another: names and sizes of files, and what labels say.

Neither where the data lie nor when they were copied counts, so that a run goes on with a copy of them elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ckd_ros.training.samples.config import SampleConfig

#: Files that are read whole: a corrected number may leave a file as long as it was.
LABELS = (".csv", ".json", ".txt")


def sample_fingerprints(config: SampleConfig) -> dict[str, dict[str, Any]]:
    """The fingerprint of each source of samples by its setting; data sets are `datasets[0]` and so on.

    Raises FileNotFoundError and ValueError as `fingerprint`.
    """
    paths = config.data_paths() | {f"datasets[{number}]": one.root for number, one in enumerate(config.datasets)}
    return {name: fingerprint(path) for name, path in paths.items()}


def fingerprint(path: Path) -> dict[str, Any]:
    """`files`, `bytes` and a `digest` of a folder, or of a tar archive's members.

    Raises FileNotFoundError where there is neither, ValueError for a file that is no uncompressed tar archive.
    """
    digest, files, total = hashlib.sha256(), 0, 0
    for name, size, label in _folder(path) if path.is_dir() else _archive(path):
        digest.update(f"{name}\0{size}\0".encode() + label)
        files, total = files + 1, total + size
    return {"files": files, "bytes": total, "digest": digest.hexdigest()[:16]}


def _folder(root: Path) -> Iterator[tuple[str, int, bytes]]:
    """Name, size and, of labels, content of a folder's files, in the order of their names; hidden ones do not count."""
    found = {}
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            if not name.startswith("."):
                file = Path(folder, name)
                found[file.relative_to(root).as_posix()] = file
    for name in sorted(found):
        label = found[name].read_bytes() if name.lower().endswith(LABELS) else b""
        yield name, found[name].stat().st_size, label


def _archive(path: Path) -> Iterator[tuple[str, int, bytes]]:
    """The same of the files in a tar archive."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in sorted((one for one in archive if one.isfile()), key=lambda one: one.name):
                content = archive.extractfile(member) if member.name.lower().endswith(LABELS) else None
                yield member.name, member.size, content.read() if content else b""
    except tarfile.ReadError as error:
        raise ValueError(f"'{path}' is not an uncompressed tar archive: {error}") from error
