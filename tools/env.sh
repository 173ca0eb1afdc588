#!/usr/bin/env bash
# Runs a command in the environment that `make setup` made: its Python, ROS 2 and the built interfaces.
#
#   tools/env.sh python -m pytest test/tracking
#   tools/env.sh bash                              # a shell to work in
#   DISTRO=kilted tools/env.sh python -m pytest    # that of another ROS 2 from PyPI: make setup DISTRO=kilted
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# As in tools/environment.py: only a choice of another ROS 2 from PyPI has folders of its own.
of_distro=
if [[ -z ${ROS_DISTRO:-} && -n ${DISTRO:-} && $DISTRO != jazzy ]]; then
  of_distro=-$DISTRO
fi
venv=$root/.venv$of_distro
install=$root/install$of_distro
if [[ ! -f $install/local_setup.bash || ! -f $venv/bin/activate ]]; then
  echo "tools/env.sh: nothing is set up here yet: run 'make setup${DISTRO:+ DISTRO=$DISTRO}' first" >&2
  exit 1
fi

set +u  # neither script minds unset variables
source "$venv/bin/activate"
if [[ -z ${ROS_DISTRO:-} ]]; then
  export AMENT_PREFIX_PATH=$VIRTUAL_ENV${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}
fi
source "$install/local_setup.bash"
set -u

# The sources as they are now come before the copy that was installed.
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
# Fast DDS alone loses large images: config/fastdds.xml says more. Fast DDS 2 has a name of its own for the setting, and
# 3 complains of a profile that both name (as in ckd_ros/ros/fastdds.py).
if [[ -z ${FASTDDS_DEFAULT_PROFILES_FILE+set}${FASTRTPS_DEFAULT_PROFILES_FILE+set}${FASTDDS_BUILTIN_TRANSPORTS+set} ]]; then
  if [[ ${ROS_DISTRO:-} =~ ^(humble|iron|jazzy)$ || -e $venv/lib/libfastrtps.so ]]; then
    export FASTRTPS_DEFAULT_PROFILES_FILE=$root/config/fastdds.xml
  else
    export FASTDDS_DEFAULT_PROFILES_FILE=$root/config/fastdds.xml
  fi
fi
exec "$@"
