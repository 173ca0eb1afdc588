"""The ROS 2 nodes: the tracker, a camera pair, and a demo of both."""
