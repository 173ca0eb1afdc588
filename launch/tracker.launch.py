"""Starts the tracker on the topics of a colour and a thermal camera.

ros2 launch ckd_ros tracker.launch.py rgb_image:=/color/image_raw thermal_image:=/thermal/image_raw rviz:=true
"""

import os

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

STREAMS = ("rgb", "thermal")
FAST_DDS_2 = os.environ.get("ROS_DISTRO") in ("humble", "iron", "jazzy")
PROFILES_FILE = "FASTRTPS_DEFAULT_PROFILES_FILE" if FAST_DDS_2 else "FASTDDS_DEFAULT_PROFILES_FILE"


def generate_launch_description() -> LaunchDescription:
    default_config = PathJoinSubstitution([FindPackageShare("ckd_ros"), "config", "tracker.yaml"])
    arguments = [
        DeclareLaunchArgument("namespace", default_value="ckd", description="namespace of the tracker and its topics"),
        DeclareLaunchArgument("config", default_value=default_config, description="parameter file of the tracker"),
        DeclareLaunchArgument("model", default_value="", description=".onnx file; empty: as the parameter file says"),
        DeclareLaunchArgument("use_sim_time", default_value="false", description="take the time from /clock"),
        DeclareLaunchArgument("rviz", default_value="false", description="show overlay, camera and markers in RViz"),
        DeclareLaunchArgument(
            "rviz_frame", default_value="rgb_optical_frame", description="RViz's fixed frame: the colour camera's frame"
        ),
        DeclareLaunchArgument(
            "transports",
            default_value=PathJoinSubstitution([FindPackageShare("ckd_ros"), "config", "fastdds.xml"]),
            description="Fast DDS profile for what starts here; empty: none. Fast DDS alone loses large images. The "
            "publisher decides: start the camera drivers with this profile too",
        ),
    ]
    for stream in STREAMS:
        for topic in ("image", "camera_info"):
            arguments.append(
                DeclareLaunchArgument(
                    f"{stream}_{topic}",
                    default_value=f"{stream}/{topic}",
                    description=f"{topic} topic of the {stream} camera; relative names are below the namespace",
                )
            )
        arguments.append(
            DeclareLaunchArgument(
                f"{stream}_transport",
                default_value="",
                description=f"raw or compressed ({stream}_image is then the topic without /compressed); empty: as the "
                "parameter file says",
            )
        )
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """What to do once the arguments are known: an empty one must not replace the parameter file's."""
    names = ("namespace", "config", "model", "rviz", "transports")
    values = {name: LaunchConfiguration(name).perform(context) for name in names}
    overrides = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    if values["model"]:
        overrides["model.path"] = ParameterValue(values["model"], value_type=str)

    remappings = []
    for stream in STREAMS:
        image = LaunchConfiguration(f"{stream}_image").perform(context)
        info = LaunchConfiguration(f"{stream}_camera_info").perform(context)
        # A remapping changes exactly the name it gives, so the transport's topic needs its own.
        remappings.append((f"{stream}/image/compressed", f"{image}/compressed"))
        remappings.append((f"{stream}/image", image))
        remappings.append((f"{stream}/camera_info", info))
        if transport := LaunchConfiguration(f"{stream}_transport").perform(context):
            overrides.update({f"image_transport.{stream}": ParameterValue(transport, value_type=str)})

    actions = [SetEnvironmentVariable(PROFILES_FILE, values["transports"])] if values["transports"] else []
    actions.append(
        Node(
            package="ckd_ros",
            executable="tracker_node",
            name="tracker",
            namespace=values["namespace"],
            parameters=[values["config"], overrides],
            remappings=remappings,
            output="screen",
        )
    )
    if values["rviz"].lower() in ("true", "1"):
        actions.append(rviz(context, values["namespace"]))
    return actions


def rviz(context: LaunchContext, namespace: str) -> Node:
    """RViz with our layout; the topics in it, of the default namespace, are remapped."""
    layout = PathJoinSubstitution([FindPackageShare("ckd_ros"), "rviz", "tracker.rviz"])
    prefix = "/" + namespace.strip("/") if namespace.strip("/") else ""
    shown = {name: f"{prefix}/{name}" for name in ("overlay", "markers")}
    for topic in ("image", "camera_info"):
        given = LaunchConfiguration(f"rgb_{topic}").perform(context)
        shown[f"rgb/{topic}"] = given if given.startswith("/") else f"{prefix}/{given}"
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", layout, "-f", LaunchConfiguration("rviz_frame")],
        parameters=[{"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}],
        remappings=[(f"/ckd/{name}", topic) for name, topic in shown.items()],
    )
