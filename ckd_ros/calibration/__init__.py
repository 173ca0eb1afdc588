"""Finds where a colour pixel lies in the thermal image: from what a scene shows, from a target pattern, or from points.

`scene.register_scene`, `pattern.register_pattern` and `points.register_points` each give an `outcome.Outcome`, or raise
ValueError where the images cannot tell. Needs NumPy and OpenCV only.
"""
