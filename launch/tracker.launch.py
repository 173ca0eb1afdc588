"""Starts the tracker on the topics of a colour and a thermal camera.

ros2 launch ckd_ros tracker.launch.py rgb_image:=/color/image_raw thermal_image:=/thermal/image_raw rviz:=true

Arguments are named as nav2's launch files name theirs. What cannot be used (a missing file, a word that is neither true
nor false, RViz where it is not installed) ends the launch before any process is started.
"""

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from ckd_ros.ros.fastdds import profile_variable, set_by_user

STREAMS = ("rgb", "thermal")
COMPRESSED = "/compressed"
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def generate_launch_description() -> LaunchDescription:
    def share(*path: str) -> PathJoinSubstitution:
        return PathJoinSubstitution([FindPackageShare("ckd_ros"), *path])

    arguments = [
        ("namespace", "ckd", "namespace of the tracker and its topics"),
        ("params_file", share("config", "tracker.yaml"), "parameter file of the tracker"),
        ("config", "", "the same under its former name"),
        ("model", "", "name of a shipped network or .onnx file; empty: as the parameter file says"),
        ("modality", "", "which cameras there are: both, rgb or thermal; empty: as the parameter file says"),
        ("autostart", "", "configure and activate at start; empty: as the parameter file says"),
        ("use_sim_time", "", "take the time from /clock; empty: as the parameter file says"),
        ("log_level", "info", "debug, info, warn, error or fatal, of all loggers; LOGGER:=LEVEL for one"),
        ("use_respawn", "false", "start the tracker again when it dies; it then follows nothing, see init.restore"),
        ("respawn_delay", "0.5", "seconds until it is started again"),
        ("rviz", "false", "show overlay, camera and markers in RViz"),
        ("rviz_frame", "rgb_optical_frame", "RViz's fixed frame: the colour camera's frame"),
        (
            "transports",
            "auto",
            "Fast DDS profile for what starts here; none: none; auto: config/fastdds.xml, where the environment has "
            "not set one. Fast DDS alone loses large images. The publisher decides: start the camera drivers with it",
        ),
    ]
    for stream in STREAMS:
        arguments += [
            (
                f"{stream}_image",
                f"{stream}/image",
                f"image topic of the {stream} camera, raw or .../compressed; relative names are below the namespace",
            ),
            (f"{stream}_camera_info", "", f"its camera_info; empty: beside {stream}_image"),
            (
                f"{stream}_transport",
                "",
                "raw or compressed; empty: compressed for a topic that ends so, else as the parameter file says",
            ),
        ]
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Action]:
    """What to do once the arguments are known."""
    actions = transports(context)
    if flag(context, "rviz"):
        actions.append(rviz(context))
    overrides, remappings = parameters(context), []
    for stream in STREAMS:
        image, info, transport = topics(context, stream)
        if transport:
            overrides[f"image_transport.{stream}"] = ParameterValue(transport, value_type=str)
        # A remapping changes exactly the name it gives, so the transport's topic needs its own.
        remappings.append((f"{stream}/image{COMPRESSED}", f"{image}{COMPRESSED}"))
        remappings.append((f"{stream}/image", image))
        remappings.append((f"{stream}/camera_info", info))
    respawn = flag(context, "use_respawn")
    tracker = Node(
        package="ckd_ros",
        executable="tracker_node",
        name="tracker",
        namespace=value(context, "namespace"),
        parameters=[params_file(context), *([overrides] if overrides else [])],
        remappings=remappings,
        ros_arguments=["--log-level", value(context, "log_level")],
        respawn=respawn,
        respawn_delay=seconds(context, "respawn_delay"),
        on_exit=None if respawn else ended,
        output="screen",
    )
    return [*actions, tracker]


def ended(event: ProcessExited, context: LaunchContext) -> None:
    """End the launch with the tracker, and with a status that says so to whoever started it (systemd, docker)."""
    if event.returncode and not context.is_shutdown:
        raise RuntimeError(f"the tracker ended with status {event.returncode}")


def value(context: LaunchContext, name: str) -> str:
    return LaunchConfiguration(name).perform(context)


def flag(context: LaunchContext, name: str) -> bool:
    """An argument that is true or false."""
    word = value(context, name)
    if word.lower() not in WORDS:
        raise RuntimeError(f"{name}:={word}: expected true or false")
    return WORDS[word.lower()]


def seconds(context: LaunchContext, name: str) -> float:
    """An argument that is a time."""
    try:
        given = float(value(context, name))
    except ValueError:
        given = -1.0
    if not 0 <= given < 1e6:
        raise RuntimeError(f"{name}:={value(context, name)}: expected a number of seconds, 0 or more")
    return given


def params_file(context: LaunchContext) -> str:
    """The parameter file, by its present or its former name."""
    path = Path(value(context, "config") or value(context, "params_file")).expanduser()
    if not path.is_file():
        raise RuntimeError(f"the parameter file {path} does not exist: give params_file:=FILE, or leave it out")
    return str(path)


def parameters(context: LaunchContext) -> dict[str, ParameterValue]:
    """Parameters that arguments set; an empty argument leaves the parameter file's."""
    overrides = {}
    for name in ("autostart", "use_sim_time"):
        if value(context, name):
            overrides[name] = ParameterValue(flag(context, name), value_type=bool)
    for name, parameter in (("model", "model.path"), ("modality", "modality")):
        if given := value(context, name):
            overrides[parameter] = ParameterValue(given, value_type=str)
    return overrides


def topics(context: LaunchContext, stream: str) -> tuple[str, str, str]:
    """The image topic of a stream without its transport, its camera_info, and the transport if it is given."""
    image, info, transport = (value(context, f"{stream}_{name}") for name in ("image", "camera_info", "transport"))
    if image.endswith(COMPRESSED) and transport in ("", "compressed"):
        image, transport = image.removesuffix(COMPRESSED), "compressed"
    parent, slash, _ = image.rpartition("/")
    return image, info or f"{parent}{slash}camera_info", transport


def transports(context: LaunchContext) -> list[Action]:
    """The Fast DDS profile for what starts here; one that the robot has set stays."""
    chosen = value(context, "transports")
    if chosen in ("none", ""):
        return []
    if chosen == "auto":
        if kept := set_by_user(context.environment):
            return [LogInfo(msg=f"{kept} is set and stays: see transports in docs/transport.md if images are lost")]
        chosen = PathJoinSubstitution([FindPackageShare("ckd_ros"), "config", "fastdds.xml"]).perform(context)
    elif not Path(chosen).expanduser().is_file():
        raise RuntimeError(f"transports:={chosen}: there is no such file; expected a Fast DDS profile, auto or none")
    return [SetEnvironmentVariable(profile_variable(context.environment), str(Path(chosen).expanduser()))]


def rviz(context: LaunchContext) -> Node:
    """RViz with our layout; the topics in it, of the default namespace, are remapped."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        raise RuntimeError("rviz:=true needs the package rviz2: apt install ros-$ROS_DISTRO-rviz2") from error
    namespace = value(context, "namespace").strip("/")
    prefix = f"/{namespace}" if namespace else ""
    image, info, _ = topics(context, "rgb")
    shown = {"overlay": "overlay", "markers": "markers", "rgb/image": image, "rgb/camera_info": info}
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=[
            "-d",
            PathJoinSubstitution([FindPackageShare("ckd_ros"), "rviz", "tracker.rviz"]),
            "-f",
            LaunchConfiguration("rviz_frame"),
        ],
        parameters=[{"use_sim_time": bool(value(context, "use_sim_time")) and flag(context, "use_sim_time")}],
        remappings=[
            (f"/ckd/{name}", topic if topic.startswith("/") else f"{prefix}/{topic}") for name, topic in shown.items()
        ],
    )
