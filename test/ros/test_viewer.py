"""`ckd view`: a window on the real node, through the middleware; what a person does is posted as events."""

import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
pygame = pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")

from bench import wait_for  # noqa: E402

from ckd_ros.app.node_settings import read_node_settings  # noqa: E402
from ckd_ros.app.view_window import ViewWindow  # noqa: E402
from ckd_ros.cli import main  # noqa: E402
from ckd_ros.ros import viewer as viewer_module  # noqa: E402
from ckd_ros.ros.viewer import Viewer  # noqa: E402
from ckd_ros.ros.worker import TrackerWorker  # noqa: E402


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture
def asked(monkeypatch):
    """What the node's worker is asked to follow: boxes, streams and stamps."""
    calls, follow = [], TrackerWorker.init_target

    def record(self, box, stream, stamp, *rest):
        calls.append((box.tolist(), stream, stamp))
        return follow(self, box, stream, stamp, *rest)

    monkeypatch.setattr(TrackerWorker, "init_target", record)
    return calls


class Person:
    """Looks at a window and uses its mouse and keys, in a thread of its own."""

    def __init__(self, window: ViewWindow, answers: list[str]) -> None:
        self.window, self.answers = window, answers

    def sees(self, bench) -> None:
        """Wait for the present frame of the bench, in a window that knows how large the camera's images are."""
        wait_for(lambda: self.window._frame is not None and self.window._frame.stamp == bench.stamp())

    def sees_frames(self, bench, **show) -> None:
        """Watch frame after frame until one can be drawn in."""
        wait_for(lambda: bench.play(0.1, **show) or (self.window._frame is not None and self.window._frame.size))

    def press(self, place) -> None:
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=place, button=1))
        wait_for(lambda: self.window._drag is not None)

    def move(self, place) -> None:
        pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=place, rel=(0, 0), buttons=(1, 0, 0)))
        wait_for(lambda: self.window._drag[1] == place)

    def release(self, place) -> None:
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONUP, pos=place, button=1))

    def key(self, code) -> None:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=code))

    def hears(self) -> str:
        wait_for(lambda: self.answers)
        return self.answers.pop(0)


def watch(act, *options, out=Path("unused.yaml")) -> None:
    """Have a person `act` before a window on the robot, which stays open for so long."""
    answers: list[str] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            wait_for(pygame.display.get_surface)
            act(Person(window, answers))
        except BaseException as error:
            failure.append(error)
        finally:
            if pygame.display.get_init():
                pygame.event.post(pygame.event.Event(pygame.QUIT))

    with Viewer("/ckd", *options) as viewer:
        window = ViewWindow(viewer, answers.append, out)
        thread = threading.Thread(target=run)
        thread.start()
        window.run()
        thread.join()
    if failure:
        raise failure[0]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("panel", [0, 1])
def test_a_box_drawn_on_the_overlay_starts_the_tracker_on_the_frame_that_was_shown(bench, asked, panel, compressed):
    b = bench().start()

    def act(person):
        person.sees_frames(b)
        b.step()
        person.sees(b)
        (x, y, w, h), shown = b.box(), b.stamp()
        offset = 320 * panel  # the overlay shows both images as large as they are, 320 x 240
        person.press((int(offset + x), int(y)))
        b.steps(5)  # which are not shown while a box is drawn
        end = int(offset + x + w), int(y + h)
        person.move(end)
        outlined = pygame.surfarray.array3d(pygame.display.get_surface())[int(offset + x) + 8, int(y)]
        assert outlined.tolist() == [255, 210, 60]
        person.release(end)
        assert person.hears().startswith("following target 1; ")
        assert asked == [([x, y, w, h], "rgb", shown)]
        b.follow(3)
        person.sees(b)
        assert person.window._text.startswith("following target 1; ")
        person.key(pygame.K_s)
        assert person.hears() == "target 1 is no longer followed"

    watch(act, (), compressed)


def test_with_a_thermal_camera_alone_a_box_is_in_its_pixels(bench, asked, monkeypatch):
    monkeypatch.setattr(viewer_module, "PATIENCE", 0.5)
    b = bench(**{"sync.timeout": 0.1}).start()

    def act(person):
        person.sees_frames(b, rgb=False)
        wait_for(lambda: b.play(0.1, rgb=False) or person.window._frame.stream == "thermal")
        x, _, w, _ = person.window._frame.panels[-1]
        place, end = (x + 20, 30), (x + 60, 70)
        person.press(place)
        shown = person.window._frame.stamp
        person.release(end)
        person.hears()
        assert w == 160 and asked == [([20.0, 30.0, 40.0, 40.0], "thermal", shown)]

    watch(act)


def test_without_a_tracker_the_cameras_image_is_shown_and_a_request_is_answered(bench):
    b = bench()  # not configured: no overlay, no answer but the node's own
    wait_for(lambda: b.cameras["rgb"])

    def act(person):
        person.sees_frames(b)
        frame = person.window._frame
        assert frame.stream == "rgb" and frame.picture.shape == (240, 320, 3) and frame.size == (320, 240)
        person.press((10, 10))
        person.release((60, 60))
        assert person.hears() == "refused: the node is not active: activate it first"
        np.testing.assert_array_equal(person.window._frame.picture.shape, (240, 320, 3))

    watch(act)


def test_other_names_are_followed_and_where_nothing_comes_it_says_what_it_waits_for(ros, monkeypatch):
    monkeypatch.setattr(viewer_module, "SILENT_AFTER", 0.0)
    with Viewer("/robot", ["overlay:=/elsewhere/picture"]) as viewer:
        assert viewer.waiting().startswith(
            "waiting for images: nobody publishes /elsewhere/picture, /robot/overlay/compressed, /robot/rgb/image, "
        )
        viewer.stop()
        assert viewer.answer() == "nobody answers /robot/stop: is the tracker running, in this namespace?"
        assert viewer.answer() is None


def test_escape_cancels_a_box_and_then_ends(bench, asked):
    b = bench().start()

    def act(person):
        person.sees_frames(b)
        person.press((20, 20))
        person.key(pygame.K_ESCAPE)
        wait_for(lambda: person.window._drag is None)
        person.release((90, 90))
        b.step()
        person.sees(b)
        person.key(pygame.K_ESCAPE)
        wait_for(lambda: not pygame.display.get_init())
        assert asked == []

    watch(act)


def test_points_clicked_in_both_images_become_a_registration(bench, tmp_path, asked):
    b = bench()  # the cameras alone
    file = tmp_path / "new" / "registration.yaml"

    def act(person):
        window = person.window
        person.sees_frames(b)
        person.key(pygame.K_c)
        wait_for(lambda: b.play(0.1) or window._picker is not None)
        person.key(pygame.K_s)
        assert person.hears().startswith("refused: 0 points are too few: 4 and better 8")
        height, width = window._picker.picture.shape[:2]
        for x, y in ((100, 150), (600, 150), (600, 500), (100, 500), (350, 320)):
            for place in ((x, y), (width - 640 + x, y)):  # 320 x 240 and 160 x 120, both 640 x 480 here
                pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=place, button=1))
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=(30, 300), button=1))
        person.key(pygame.K_u)  # the last one
        person.key(pygame.K_RETURN)
        assert person.hears().startswith("homography from 5 of 5 points that agree, expected error 0.0")
        person.key(pygame.K_ESCAPE)
        wait_for(lambda: window._picker is None)
        person.sees_frames(b)  # goes on

    watch(act, out=file)
    registration = read_node_settings(file).registration
    np.testing.assert_allclose(registration.matrix((320, 240), (160, 120)), np.diag([0.5, 0.5, 1]), atol=0.02)
    assert len(file.with_suffix(".txt").read_text().splitlines()) == 6 and asked == []


def test_where_a_camera_is_silent_no_points_can_be_clicked_and_it_says_which(bench, monkeypatch):
    monkeypatch.setattr("ckd_ros.app.view_window._PATIENCE", 0.5)
    b = bench()

    def act(person):
        person.sees_frames(b, thermal=False)
        person.key(pygame.K_c)
        said = "no image of each camera: no images arrive on /ckd/thermal/image, which is published (Esc: leave)"
        wait_for(lambda: b.play(0.1, thermal=False) or person.window._text == said)
        person.key(pygame.K_ESCAPE)
        wait_for(lambda: person.window._asked_for_pair is None)
        assert pygame.display.get_init()

    watch(act)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "points.txt"], "'points.txt' is the name of the points: name the file of parameters"),
        (["--namespace", "a!b"], "namespace a!b, remappings"),
        (["--remap", "overlay"], "Couldn't parse remap rule"),
    ],
)
def test_a_name_that_cannot_be_is_one_line(capsys, arguments, said):
    with pytest.raises(SystemExit) as stop:
        main(["view", *arguments])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and error.startswith("ckd: error: ") and said in error
    assert error.count("\n") == 1
