"""CKD: one target followed through a colour and a thermal camera.

Importing this package imports nothing of ROS and nothing of PyTorch.
"""

import pkgutil

# The generated `ckd_ros.msg` and `ckd_ros.srv` live in the colcon install space: without this line a source
# tree or an editable install would hide them.
__path__ = pkgutil.extend_path(__path__, __name__)

__version__ = "0.1.0"
