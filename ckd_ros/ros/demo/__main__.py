import sys

from ckd_ros.ros.demo.demo import main

if __name__ == "__main__":
    sys.exit(main())
