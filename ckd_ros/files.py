"""Files: replaced whole or not at all, and those that ship with the package."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`, with the same suffix, that takes its place when the block ends well.

    The block creates a file or a folder there. If it raises (or creates nothing), `path` stays as it was and the
    temporary is removed. Missing parent folders are made. A folder replaces only what is missing or empty. The error of
    a full disk names `path`, which Python leaves out where it is found by writing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def package_file(name: str) -> Path:
    """A file that ships with the package (`models/...`, `config/...`): in the source tree, in the installed package, or
    in a colcon install folder.

    Raises FileNotFoundError that lists where it was looked for.
    """
    package = Path(__file__).resolve().parent
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    places = [package.parent / name, package / name]
    places += [prefix / "share" / package.name / name for prefix in (*prefixes, *package.parents)]
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        f"the package's {name} is missing: looked for {', '.join(map(str, places[:4]))} and in the "
        f"other install folders"
    )
