"""The command `ckd`, and `python -m ckd_ros.cli` for launchers that take a module, as `torchrun -m` does."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> None:
    """Run a command line, see `ckd_ros.app.cli.main`. Ctrl-C ends it in order while it is still being loaded, too."""
    try:
        from ckd_ros.app.cli import main as run

        run(args)
    except KeyboardInterrupt:
        print("ckd: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
