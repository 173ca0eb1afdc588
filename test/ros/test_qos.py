"""`qos_overrides.*` decide over the QoS of a topic; those that cannot are refused or named."""

import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")

from bench import wait_for  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy, qos_profile_sensor_data  # noqa: E402

from ckd_ros.ros.parameters import ParameterError  # noqa: E402
from ckd_ros.ros.tracker_node import TrackerNode  # noqa: E402


def test_they_decide_over_the_topics_that_are_received_and_published(bench, capfd):
    b = bench(
        **{
            "qos_overrides./ckd/thermal/image.subscription.reliability": "best_effort",
            "qos_overrides./ckd/thermal/image.subscription.depth": 3,
            "qos_overrides./ckd/rgb/camera_info.subscription.reliability": "reliable",
            "qos_overrides./ckd/track.publisher.durability": "transient_local",
            "qos_overrides./diagnostics.publisher.reliability": "best_effort",
        }
    ).start()

    def received(topic: str):
        (subscription,) = (one for one in b.node.subscriptions if one.topic_name == topic)
        return subscription.qos_profile

    def published(topic: str) -> list:
        """Of a node that has just ended too, for a moment."""
        return [publisher.qos_profile for publisher in b.user.get_publishers_info_by_topic(topic)]

    thermal = received("/ckd/thermal/image")
    assert (thermal.reliability, thermal.depth) == (ReliabilityPolicy.BEST_EFFORT, 3)
    assert received("/ckd/rgb/image").reliability == ReliabilityPolicy.RELIABLE, "as qos.reliability says"
    assert received("/ckd/rgb/camera_info").reliability == ReliabilityPolicy.RELIABLE
    assert qos_profile_sensor_data.reliability == ReliabilityPolicy.BEST_EFFORT, "ROS's own profile is as it was"
    wait_for(lambda: [one.durability for one in published("/ckd/track")] == [DurabilityPolicy.TRANSIENT_LOCAL])
    wait_for(lambda: [one.reliability for one in published("/diagnostics")] == [ReliabilityPolicy.BEST_EFFORT])
    assert "has no effect" not in capfd.readouterr().err

    assert b.node.trigger_deactivate() and b.node.trigger_activate()
    assert received("/ckd/thermal/image").depth == 3, "and again after every activation"


@pytest.mark.parametrize("end", ["/rgb/image.subscription", "/ckd/rgb/imgae.subscription", "rgb/image.subscription"])
def test_an_override_that_no_topic_follows_is_named(bench, capfd, end):
    bench(**{f"qos_overrides.{end}.depth": 3}).start()
    said = capfd.readouterr().err
    assert f"'qos_overrides.{end}.depth' has no effect: no topic of the node follows it" in said
    assert "the nearest that does is 'qos_overrides./ckd/rgb/image.subscription'" in said


def test_the_topics_of_rclpy_itself_follow_none(bench, capfd):
    bench(**{"qos_overrides./parameter_events.publisher.depth": 3}).start()
    assert "'qos_overrides./parameter_events.publisher.depth' has no effect" in capfd.readouterr().err


@pytest.mark.parametrize(
    "policy, value, allowed",
    [
        ("reliability", "maybe", "system_default | reliable | best_effort"),
        ("reliability", True, "reliable | best_effort"),
        ("depth", "5", "a whole number of at least 0"),
        ("depth", -1, "a whole number of at least 0"),
        ("deadline", 5, "cannot be overridden, but depth, history, reliability, durability can"),
    ],
)
def test_a_bad_override_is_refused_with_what_it_takes(ros, policy, value, allowed):
    name = f"qos_overrides./ckd/rgb/image.subscription.{policy}"
    with pytest.raises(ParameterError) as caught:
        TrackerNode(parameter_overrides=[Parameter(name, value=value)])
    assert f"parameter '{name}'" in str(caught.value) and allowed in str(caught.value)
