#!/usr/bin/env bash
# Runs a command with ROS 2 and this package: `ros2 launch ckd_ros tracker.launch.py`, `bash`.
set -e
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /opt/ckd_ros/install/local_setup.bash
exec "$@"
