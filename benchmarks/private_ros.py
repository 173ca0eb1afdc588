"""ROS for a benchmark that must neither hear nor disturb anything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import rclpy
from rclpy.context import Context


@contextmanager
def private_ros() -> Iterator[Context]:
    """ROS on a domain of one's own, for this process and those that it starts."""
    context = Context()
    private = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    with patch.dict(os.environ, private):
        rclpy.init(context=context)
        try:
            yield context
        finally:
            context.try_shutdown()
