"""`python -m ckd_ros.ros.demo`: see `demo.py`."""

from ckd_ros.ros.demo.demo import main

if __name__ == "__main__":
    raise SystemExit(main())
