"""`ckd view`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ckd_ros.app.commands.arguments import Output, optional


@dataclass(frozen=True)
class View:
    """Watch the tracker of a robot in a window, and show it a target with the mouse.

    Shows the tracker's overlay, or the camera's images where nobody publishes one. Drag a box: the tracker starts on it
    in the very frame that was shown (drag within its sync.history, 2 s), and its answer is shown. s has it stop, Esc
    cancels a box, q ends. Needs ROS 2.

    c holds both cameras' images of a moment: click a place in the colour image, then the same in the thermal image,
    four times and better eight, in all parts. s writes the registration, as `ckd calibrate --points` does, or says why
    the points do not tell; u takes back, Esc leaves.

    Example: ckd view --namespace /robot1/ckd --compressed

    Attributes:
        namespace: of the tracker.
        remap: other names, as ROS takes them: overlay, rgb/image, thermal/image, init_target, stop.
        out: file of parameters for the registration from points, of whole thermal images (without thermal.crop); beside
            it, as .txt, the points.
        compressed: receive overlay/compressed, for a network that is slow.
        thermal_offset: by how much the thermal camera's stamps are ahead, seconds, as in the tracker's
            sync.thermal_offset: for the two images that c holds.
    """

    namespace: str = "/ckd"
    remap: Annotated[tuple[str, ...], optional("FROM:=TO")] = ()
    compressed: bool = False
    thermal_offset: float = 0.0
    out: Output = Path("runs/calibrate/view.yaml")

    def run(self) -> None:
        from ckd_ros.app.view_window import ViewWindow

        if self.out.suffix == ".txt":
            raise ValueError(f"'{self.out}' is the name of the points: name the file of parameters, as NAME.yaml")
        try:
            from ckd_ros.ros.viewer import Viewer
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"ckd view needs ROS 2 and the interfaces of this package (there is no '{error.name}'): run it as "
                "`tools/env.sh ckd view` after `make setup`, or source ROS 2 and install/setup.bash"
            ) from error
        with Viewer(self.namespace, self.remap, self.compressed, self.thermal_offset) as viewer:
            ViewWindow(viewer, print, self.out).run()
