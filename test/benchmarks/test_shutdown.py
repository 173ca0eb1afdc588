"""What counts as a node that ended in order, and that the nodes do."""

import pytest
from shutdown import NODES, End, interrupted


@pytest.mark.parametrize(
    "end, fault",
    [
        (End("n", 2.9, 0, "[INFO] 300 images published"), ""),
        (End("n", 0.1, 130, ""), ""),
        (End("n", 3.2, 0, ""), "3.2 s"),
        (End("n", 0.5, -11, "Fatal Python error: Segmentation fault"), "status -11, Fatal Python error"),
        (End("n", 0.5, 1, "Traceback (most recent call last)"), "status 1, Traceback"),
    ],
)
def test_faults_are_named(end, fault):
    assert end.fault() == fault


def test_the_nodes_end_in_order():
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
    ends = interrupted(0.2, again=0.1)
    assert [end.node for end in ends] == list(NODES)
    assert all(not end.fault().replace(f"{end.seconds:.1f} s", "") for end in ends), ends  # a busy machine may be slow
