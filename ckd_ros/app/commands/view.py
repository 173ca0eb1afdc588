"""`ckd view`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ckd_ros.app.commands.arguments import optional


@dataclass(frozen=True)
class View:
    """Watch the tracker of a robot in a window, and show it a target with the mouse.

    Shows the tracker's overlay, or the camera's images where nobody publishes one. Drag a box: the tracker starts on it
    in the very frame that was shown (drag within its sync.history, 2 s), and its answer is shown. s has it stop, Esc
    cancels a box, q ends. Needs ROS 2.

    Example: ckd view --namespace /robot1/ckd --compressed

    Attributes:
        namespace: of the tracker.
        remap: other names, as ROS takes them: overlay, rgb/image, thermal/image, init_target, stop.
        compressed: receive overlay/compressed, for a network that is slow.
    """

    namespace: str = "/ckd"
    remap: Annotated[tuple[str, ...], optional("FROM:=TO")] = ()
    compressed: bool = False

    def run(self) -> None:
        from ckd_ros.app.view_window import ViewWindow

        try:
            from ckd_ros.ros.viewer import Viewer
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"ckd view needs ROS 2 and the interfaces of this package (there is no '{error.name}'): run it as "
                "`tools/env.sh ckd view` after `make setup`, or source ROS 2 and install/setup.bash"
            ) from error
        with Viewer(self.namespace, self.remap, self.compressed) as viewer:
            ViewWindow(viewer, print).run()
