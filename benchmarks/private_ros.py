"""ROS for a benchmark that must neither hear nor disturb anything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import rclpy
from rclpy.context import Context

from ckd_ros.ros.process import private_domain


@contextmanager
def private_ros() -> Iterator[Context]:
    """ROS on a domain of one's own, for this process and those that it starts."""
    context = Context()
    with patch.dict(os.environ, private_domain()):
        rclpy.init(context=context)
        try:
            yield context
        finally:
            context.try_shutdown()
