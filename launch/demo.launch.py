"""Publishes a source as two cameras, starts the tracker on it, and shows both.

ros2 launch ckd_ros demo.launch.py rviz:=true
ros2 launch ckd_ros demo.launch.py source:=/data/lasher/man rate:=15.0 rviz:=true

Takes the arguments of tracker.launch.py too. Then show the tracker a target:

ros2 service call /ckd/init_target ckd_ros/srv/InitTarget "{box: {x: 300, y: 240, width: 40, height: 60}}"
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
    camera = Node(
        package="ckd_ros",
        executable="camera_node",
        name="camera",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            {
                "source": ParameterValue(LaunchConfiguration("source"), value_type=str),
                "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                "loop": ParameterValue(LaunchConfiguration("loop"), value_type=bool),
            }
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
            # first, as it sets the transports of whatever is started after it
            IncludeLaunchDescription(PythonLaunchDescriptionSource(tracker)),
            camera,
        ]
    )
