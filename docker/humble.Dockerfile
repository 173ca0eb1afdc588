# ckd_ros on ROS 2 Humble (Ubuntu 22.04, Python 3.10). From the top of the checkout:
#
#   docker build --file docker/humble.Dockerfile --target tracker --tag ckd_ros:humble .
#   docker run --rm --network host --ipc host ckd_ros:humble ros2 launch ckd_ros demo.launch.py
#
# docker/compose.yaml does both, and shows it in RViz.
FROM ros:humble-ros-base AS tracker

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_NO_CACHE_DIR=1
WORKDIR /opt/ckd_ros

# The system's packages, a layer that only a change of package.xml makes anew. RViz is left to the viewer.
COPY package.xml ./
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths . --ignore-src --rosdistro "$ROS_DISTRO" --default-yes --skip-keys rviz2 \
    && rm -rf /var/lib/apt/lists/*

# ONNX Runtime and its like in an environment beside the system's, and the package itself.
COPY . .
RUN . "/opt/ros/$ROS_DISTRO/setup.bash" && make setup

# Any user may run it: logs and caches go to /tmp. On a robot take the user of the camera drivers (--user), since Fast
# DDS shares memory between processes of one user only.
ENV HOME=/tmp ROS_HOME=/tmp/ros
USER 1000:1000
ENTRYPOINT ["/opt/ckd_ros/docker/entrypoint.sh"]
CMD ["ros2", "launch", "ckd_ros", "tracker.launch.py"]


FROM tracker AS viewer

USER 0
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths package.xml --ignore-src --rosdistro "$ROS_DISTRO" --default-yes \
    && rm -rf /var/lib/apt/lists/*
USER 1000:1000
CMD ["rviz2", "--display-config", "/opt/ckd_ros/rviz/tracker.rviz"]
