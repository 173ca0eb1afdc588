#!/usr/bin/env bash
# Runs a command in the environment that `make setup` made: its Python, ROS 2 and the built interfaces.
#
#   tools/env.sh python -m pytest test/tracking
#   tools/env.sh bash        # a shell to work in
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ! -f $root/install/local_setup.bash || ! -f $root/.venv/bin/activate ]]; then
  echo "tools/env.sh: nothing is set up here yet: run 'make setup' first" >&2
  exit 1
fi

set +u  # neither script minds unset variables
source "$root/.venv/bin/activate"
if [[ -z ${ROS_DISTRO:-} ]]; then
  export AMENT_PREFIX_PATH=$VIRTUAL_ENV${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}
fi
source "$root/install/local_setup.bash"
set -u

# The sources as they are now come before the copy that was installed.
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
# Fast DDS alone loses large images: config/fastdds.xml says more. Fast DDS 2 has another name for the setting.
case ${ROS_DISTRO:-} in
  humble | iron | jazzy) profiles=FASTRTPS_DEFAULT_PROFILES_FILE ;;
  *) profiles=FASTDDS_DEFAULT_PROFILES_FILE ;;
esac
export "$profiles=${!profiles:-$root/config/fastdds.xml}"
exec "$@"
