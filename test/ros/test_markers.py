"""What RViz is shown of targets: of those that are seen, and no longer of those that are not."""

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")

from ckd_ros.msg import BoundingBox, Track  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from visualization_msgs.msg import Marker  # noqa: E402

from ckd_ros.ros.calibration import read_calibration  # noqa: E402
from ckd_ros.ros.markers import target_markers  # noqa: E402

K = [600.0, 0.0, 320.0, 0.0, 600.0, 256.0, 0.0, 0.0, 1.0]
P = [600.0, 0.0, 320.0, 0.0, 0.0, 600.0, 256.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def actions(*tracks) -> list[tuple[int, int]]:
    """Number and action of each marker."""
    camera = read_calibration(CameraInfo(width=640, height=512, k=K, p=P), "rectified", "rgb")
    shown = target_markers([(track, track.box) for track in tracks], camera, (640, 512), Header(), 10.0)
    return [(marker.id, marker.action) for marker in shown.markers]


def track(target, state):
    box = BoundingBox(x=100.0, y=100.0, width=40.0, height=60.0)
    return Track(target_id=target, state=state, box=box, position_stddev=2.0)


def test_the_markers_of_a_lost_target_go_while_those_of_another_stay():
    found = actions(track(1, Track.TRACKING), track(2, Track.LOST))
    assert found[:2] == [(3, Marker.ADD), (4, Marker.ADD)]
    assert [one for one in found if one[0] >= 6] == [(6, Marker.DELETE), (7, Marker.DELETE), (8, Marker.DELETE)]


@pytest.mark.parametrize("tracks", [[], [track(2, Track.LOST)], [Track()]], ids=["none", "lost", "idle"])
def test_where_none_is_seen_all_go(tracks):
    assert actions(*tracks) == [(0, Marker.DELETEALL)]
