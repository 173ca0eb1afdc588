"""`python -m ckd_ros.ros.demo`: both nodes on a source of frames, watched and reported."""
