"""Files: replaced whole or not at all, never over what is read, and those that ship with the package."""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: What systems and archives leave in folders, and nobody put there.
_STRAYS = {"__macosx", "@eadir", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "lost+found"}


def is_stray(name: str) -> bool:
    """Whether a file or folder of this name was left by a system and not put there by a person.

    >>> [name for name in ("._car.txt", ".DS_Store", "__MACOSX", "car.txt") if not is_stray(name)]
    ['car.txt']
    """
    return name.startswith(".") or name.lower() in _STRAYS


def text_of(path: str | os.PathLike) -> str:
    """The text of a UTF-8 file, or of a UTF-16 one that begins with a byte order mark; the mark is no part of it.

    Bytes that are no text become U+FFFD. Raises OSError where the file cannot be read.
    """
    data = Path(path).read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf16 else "utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hexadecimal digits; it is not read at once. Raises OSError for what cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def refuse_inputs(outputs: Iterable[str | os.PathLike], inputs: Iterable[str | os.PathLike]) -> None:
    """Raise ValueError if one of `outputs` is one of `inputs`, or lies in a folder that is one, by whatever name.

    An input that is not there yet counts too: written now, it would be read the next time.
    """
    read = [Path(path).resolve() for path in inputs]
    for output in outputs:
        place = Path(output).resolve()
        for known in read:
            if known in (place, *place.parents) or (place.exists() and known.exists() and place.samefile(known)):
                raise ValueError(f"'{output}' is an input ({known} is read): name another file to write to")


def refuse_unwritable(files: Iterable[str | os.PathLike]) -> None:
    """Raise ValueError if one of `files` cannot be written: it is a folder, or lies where nothing can be put."""
    for name in files:
        path = Path(name)
        if path.is_dir():
            raise ValueError(f"'{name}' is a folder: name a file to write, '{path / 'NAME'}' for example")
        parent = next(folder for folder in path.absolute().parents if folder.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            reason = "may not be written to" if parent.is_dir() else "is no folder"
            raise ValueError(f"'{name}' cannot be written: {parent} {reason}; name another place")


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
