"""Publishes a source as two cameras, starts the tracker on it, shows it the target, and shows all of it.

ros2 launch ckd_ros demo.launch.py rviz:=true
ros2 launch ckd_ros demo.launch.py source:=/data/lasher/man rate:=15.0 rviz:=true

Takes the arguments of tracker.launch.py too. The true boxes are on /ckd/truth. To show the target yourself, take one
that stands still:

ros2 launch ckd_ros demo.launch.py init:=none source:=simulator:motion=0,camera_motion=0,scale=0
ros2 service call /ckd/init_target ckd_ros/srv/InitTarget "{box: {x: 333, y: 308, width: 48, height: 88}}"
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    tracker = PathJoinSubstitution([FindPackageShare("ckd_ros"), "launch", "tracker.launch.py"])
    types = {"source": str, "rate": float, "loop": bool, "init": str}
    camera = Node(
        package="ckd_ros",
        executable="camera_node",
        name="camera",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, kind in types.items()},
            {"wait_for_subscribers": True},
        ],
        output="screen",
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="ckd", description="namespace of both nodes"),
            DeclareLaunchArgument(
                "source",
                default_value="simulator",
                description="what to publish: simulator, a folder of pairs, a sequence folder, videos, or a bag",
            ),
            DeclareLaunchArgument("rate", default_value="20.0", description="pairs per second; 0.0: the source's own"),
            DeclareLaunchArgument("loop", default_value="true", description="start again at the end of the source"),
            DeclareLaunchArgument(
                "init",
                default_value="auto",
                description="auto: show the tracker the target, where the source knows it; none: you do it yourself",
            ),
            # first, as it checks the arguments, and sets the transports of whatever is started after it
            IncludeLaunchDescription(PythonLaunchDescriptionSource(tracker)),
            camera,
        ]
    )
