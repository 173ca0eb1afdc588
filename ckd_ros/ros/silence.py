"""Why no images arrive on a topic, as the graph of nodes shows it: `ros2 topic info` in words, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CompressedImage, Image

#: The messages of a transport's topic, their type by name, and the topic below that of the raw images.
KINDS = {"raw": Image, "compressed": CompressedImage}
TYPES = {"raw": "sensor_msgs/msg/Image", "compressed": "sensor_msgs/msg/CompressedImage"}
SUFFIXES = {"raw": "", "compressed": "/compressed"}
#: So many other topics of images are named.
NAMED = 4


@dataclass(frozen=True)
class Silence:
    """Why nothing comes: the cause (no publisher, type, QoS, or no image) and a text for a person."""

    cause: str
    text: str


def explain_silence(node: Node, subscription: Subscription, stream: str, transport: str) -> Silence:
    """What is published, where the node expects the images of a stream, or near it, and what to change."""
    topic, kind = subscription.topic_name, TYPES[transport]
    base = topic.removesuffix(SUFFIXES[transport])
    text = f"no images arrive on {topic} ({kind}, {_qos(subscription.qos_profile)}): "
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        beside = _beside(node, base, stream, transport)
        return Silence("no publisher", f"{text}nobody publishes there. {beside}")
    text += "published there by " + _publishers(publishers)
    if all(publisher.topic_type != kind for publisher in publishers):
        remedy = _transport_remedy(stream, base, topic, publishers[0].topic_type)
        return Silence("type", f"{text}, which is another type: {remedy}")
    for publisher in (publisher for publisher in publishers if publisher.topic_type == kind):
        compatible, reason = qos_check_compatible(publisher.qos_profile, subscription.qos_profile)
        if compatible == QoSCompatibility.ERROR:
            return Silence(
                "QoS",
                f"{text}, whose QoS does not fit ({reason.strip().rstrip(';')}): set qos.reliability to best_effort, "
                f"or qos_overrides.{topic}.subscription.*",
            )
    return Silence(
        "no image",
        f"{text}, whose type and QoS fit: is the camera running and the bag playing? Fast DDS alone loses large "
        "images: start the driver with config/fastdds.xml too",
    )


def _beside(node: Node, base: str, stream: str, transport: str) -> str:
    """The images of other topics: first of the same camera by another transport, then any."""
    own = {subscription.topic_name for subscription in node.subscriptions}
    own |= {publisher.topic_name for publisher in node.publishers}
    others = {}
    for name, types in sorted(node.get_topic_names_and_types()):
        publishers = node.get_publishers_info_by_topic(name) if name not in own else []
        if publishers and (set(types) & set(TYPES.values()) or name.startswith(f"{base}/")):
            others[name] = publishers
    for name, publishers in others.items():
        if name == base or name.startswith(f"{base}/"):
            remedy = _transport_remedy(stream, base, name, publishers[0].topic_type)
            return f"Beside it {name} is published by {_publishers(publishers)}: {remedy}"
    if not others:
        return "No other topic of images is published either: is the camera running, in the same ROS_DOMAIN_ID?"
    names = get_close_matches(base, others, n=NAMED, cutoff=0.0)
    named = ", ".join(f"{name} ({others[name][0].topic_type} by {_node(others[name][0])})" for name in names)
    return f"Images are published on {named}: remap {stream}/image{SUFFIXES[transport]} to the camera's topic"


def _transport_remedy(stream: str, base: str, name: str, kind: str) -> str:
    """How to receive what is published on a topic, where the raw images would be on `base`."""
    for transport, readable in TYPES.items():
        if kind == readable and name in (base + suffix for suffix in SUFFIXES.values()):
            remedy = f"set image_transport.{stream} to {transport}"
            in_place = name == base + SUFFIXES[transport]
            return remedy if in_place else f"{remedy} and remap {stream}/image{SUFFIXES[transport]} to {name}"
    return "that is not read: have the camera publish raw or compressed images"


def _publishers(publishers: list[TopicEndpointInfo]) -> str:
    return " and ".join(
        f"{_node(publisher)} ({publisher.topic_type}, {_qos(publisher.qos_profile)})" for publisher in publishers
    )


def _node(publisher: TopicEndpointInfo) -> str:
    if "UNKNOWN" in publisher.node_name:  # seen before its node, or of another middleware
        return "an unknown node"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"


def _qos(profile: QoSProfile) -> str:
    return f"{profile.reliability.name.lower()}, {profile.durability.name.lower()}"
