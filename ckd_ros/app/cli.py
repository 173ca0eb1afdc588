"""The command `ckd`: track, evaluate, simulate, train, import and export without ROS."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import tyro

from ckd_ros.app.commands import COMMANDS, Command


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line.

    Exits with 2, after one line on stderr, for wrong arguments or files, with 1 for a training whose loss is
    no longer a number, with 130 when interrupted, with 75 when a training has used up its minutes.
    """
    try:
        command: Command = tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="ckd", description=__doc__, args=args, config=(tyro.conf.FlagCreatePairsOff,)
        )
        command.run()
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
