"""`python -m ckd_ros.ros.demo`: the nodes on real middleware, watched and reported."""
