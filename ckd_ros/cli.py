"""`python -m ckd_ros.cli`: the command `ckd` for launchers that take a module, as `torchrun -m` does."""

from ckd_ros.app.cli import main

if __name__ == "__main__":
    main()
