"""The command `ckd`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ckd_ros import __version__
from ckd_ros.app.parsing import parse

_DESCRIPTION = """Track a target through a colour and a thermal camera, and all that belongs to it, without ROS.

`ckd COMMAND --help` explains a command; `ckd --version` says which version this is."""


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line.

    Exits with 2, after one line on stderr, for wrong arguments or files, with 1 for a training whose loss is
    no longer a number, with 130 when interrupted, with 75 when a training has used up its minutes.
    """
    words = sys.argv[1:] if args is None else args
    if list(words) == ["--version"]:
        print(f"ckd {__version__}")
        return
    try:
        parse(words, _DESCRIPTION).run()
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(f"ckd: error: {' '.join(_reason(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except FloatingPointError as error:
        print(f"ckd: error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt as stop:
        print(f"ckd: {stop}" if str(stop) else "ckd: interrupted", file=sys.stderr)
        raise SystemExit(getattr(stop, "status", 130)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"the package '{error.name}' is missing: training and export need the extra 'train', see README.md"
    if "Original Traceback" in str(error):  # raised in a process that makes samples
        return str(error).strip().splitlines()[-1].split(": ", 1)[-1]
    return str(error)
