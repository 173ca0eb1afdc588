"""The ROS-free library and the `ckd` command, for `pip install .`; the ROS 2 package is built by CMakeLists.txt.

Everything else is said in pyproject.toml. Only this cannot be: the models, which lie at the top of the repository where
the ROS package expects them, are installed as the data of `ckd_ros.models`.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["ckd_ros", "ckd_ros.*"]), "ckd_ros.models"],
    package_dir={"ckd_ros.models": "models"},
    package_data={
        "ckd_ros.models": ["*.onnx", "*.md", "*.json", "SHA256SUMS"],
        "ckd_ros.evaluation.report": ["page.html"],
    },
)
