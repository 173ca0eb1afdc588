"""The live window, on SDL's own event queue and surfaces, without a screen: what a person does is posted as events."""

import threading
import time

import numpy as np
import pytest

pygame = pytest.importorskip("pygame", reason="the window needs pygame-ce: pip install '.[window]'")

from ckd_ros.app.live import start_box, track_live
from ckd_ros.app.live_window import PANEL, DrawnBox, LiveWindow
from ckd_ros.datasets.sources import open_source
from ckd_ros.frames import FramePair, Image
from ckd_ros.tracking import OnnxEngine, Registration, Tracker, TrackResult, TrackState

WIDTH, HEIGHT = 320, 240  # of the images: half of what the panel shows
RATE = 200.0


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture
def window():
    with LiveWindow("run", RATE, Registration()) as one:
        yield one


def pair(colour=True, thermal=True):
    rgb = Image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), "rgb8") if colour else None
    warm = Image(np.full((HEIGHT // 2, WIDTH // 2), 60, np.uint8), "mono8") if thermal else None
    return FramePair(rgb, warm, 0 if colour else None, 0 if thermal else None)


def result(box=(40, 30, 50, 60)):
    box = np.array(box, float)
    return TrackResult(box, box / 2, 0.9, TrackState.TRACKING, True, True)


def key(code):
    return pygame.event.Event(pygame.KEYDOWN, key=code)


ENTER, ESCAPE, SPACE, NEW = (key(code) for code in (pygame.K_RETURN, pygame.K_ESCAPE, pygame.K_SPACE, pygame.K_r))
CLOSE = pygame.event.Event(pygame.QUIT)


def drag(start, end):
    """The events of a box dragged between two places in the window."""
    move = pygame.event.Event(pygame.MOUSEMOTION, pos=end, rel=(0, 0), buttons=(1, 0, 0))
    down, up = (
        pygame.event.Event(kind, pos=place, button=1)
        for kind, place in ((pygame.MOUSEBUTTONDOWN, start), (pygame.MOUSEBUTTONUP, end))
    )
    return [down, move, up]


def do(*events):
    for event in events:
        pygame.event.post(event)


def shown():
    """The picture in the window, `h x w x 3`, red first."""
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


def test_a_frame_is_shown_as_the_overlay_shows_it(window):
    window.show(pair(), result())
    picture = shown()
    assert picture.shape[1] == 2 * PANEL[0], "colour and thermal, small images enlarged"
    x, y = 40 * PANEL[0] // WIDTH, 60 * 2  # the left edge of the box, half way down
    for half in (0, PANEL[0]):
        edge = picture[y, half + x - 2 : half + x + 3].astype(int)
        assert (np.abs(edge - (90, 220, 90)).max(axis=-1) < 40).any(), "green: tracking"


@pytest.mark.parametrize("half", [0, 1])
def test_a_box_is_drawn_on_either_half_in_pixels_of_the_colour_image(window, half):
    window.show(pair(), None)
    offset = half * PANEL[0]
    do(*drag((offset + 100, 60), (offset + 180, 160)), ENTER)
    drawn = window.ask_box(pair())
    assert drawn.drawn_in == "rgb", "the thermal image is shown in the view of the colour image"
    np.testing.assert_allclose(drawn.box, [50, 30, 40, 50])


def test_without_a_colour_image_a_box_is_in_thermal_pixels(window):
    window.show(pair(colour=False), None)
    do(*drag((PANEL[0] + 100, 60), (PANEL[0] + 180, 160)), ENTER)
    drawn = window.ask_box(pair(colour=False))
    assert drawn.drawn_in == "thermal"
    np.testing.assert_allclose(drawn.box, [25, 15, 20, 25])


def test_a_drag_may_go_any_way_and_out_of_its_half(window):
    window.show(pair(), None)
    do(*drag((400, 300), (1000, -50)), ENTER)
    np.testing.assert_allclose(window.ask_box(pair()).box, [200, 0, 120, 150])


@pytest.mark.parametrize("colour", [True, False])
def test_the_box_is_seen_while_it_is_dragged_on_each_image_that_is_there(window, colour):
    window.show(pair(colour), None)
    do(*drag((PANEL[0] + 100, 60), (PANEL[0] + 180, 160))[:2], ESCAPE)
    window.ask_box(pair(colour))
    picture = shown().astype(int)
    for half, there in ((0, colour), (PANEL[0], True)):
        edge = picture[110, half + 98 : half + 103]
        assert (np.abs(edge - (255, 210, 60)).max(axis=-1) == 0).any() == there


def test_what_is_no_box_is_not_taken(window):
    """A click, a drag where there is no image, and Enter without a box; the last box counts."""
    window.show(pair(thermal=False), None)
    nothing = [ENTER, *drag((100, 100), (100, 100)), ENTER, *drag((PANEL[0] + 9, 9), (PANEL[0] + 99, 99)), ENTER]
    do(*nothing, *drag((10, 10), (50, 50)), *drag((20, 20), (60, 80)), ENTER)
    np.testing.assert_allclose(window.ask_box(pair(thermal=False)).box, [10, 10, 20, 30])


def test_drawing_can_be_cancelled_and_the_window_closed(window):
    window.show(pair(), None)
    do(*drag((100, 60), (180, 160)), ESCAPE)
    assert window.ask_box(pair()) is None and not window.ended
    do(CLOSE)
    assert window.ask_box(pair()) is None and window.ended


@pytest.mark.parametrize("event", [ESCAPE, key(pygame.K_q), CLOSE])
def test_the_person_ends_the_run(window, event):
    window.show(pair(), result())
    assert not window.ended
    do(event)
    window.show(pair(), result())
    assert window.ended


def test_space_pauses_and_goes_on(window):
    window.show(pair(), result())
    do(SPACE)
    threading.Timer(0.4, do, [SPACE]).start()
    start = time.monotonic()
    window.show(pair(), result())
    assert time.monotonic() - start >= 0.4


def test_frames_keep_the_rate_of_the_source_whatever_the_tracker_takes_of_it():
    with LiveWindow("run", 20.0, Registration()) as window:
        window.show(pair(), result())
        start = time.monotonic()
        for work in (0.0, 0.03, 0.03, 0.0):
            time.sleep(work)
            window.show(pair(), result())
        assert time.monotonic() - start >= 3 * 0.05, "no frame is shown for less than its time, work included"


def test_a_slow_tracker_is_not_waited_for():
    with LiveWindow("run", 2.0, Registration()) as window:
        window.show(pair(), result())
        time.sleep(0.6)
        start = time.monotonic()
        window.show(pair(), result())
        assert time.monotonic() - start < 0.4, "its work took the whole time of the frame"


@pytest.mark.parametrize(("wayland", "x11"), [(None, None), (None, ":876")])
def test_without_a_display_it_says_so(monkeypatch, wayland, x11):
    for name, value in {"SDL_VIDEODRIVER": None, "WAYLAND_DISPLAY": wayland, "DISPLAY": x11}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="no display for a window.*DISPLAY"), LiveWindow("run", RATE, Registration()):
        pass


#: A small simulation that nothing disturbs.
CLEAR = (
    "simulator:frames=12,width=160,height=128,thermal_width=160,thermal_height=128,target_size=24,distractors=0,"
    "occlusion=0,night=0,glare=0,crossover=0,scale=0,rotation=0"
)


@pytest.fixture
def run(model_path, window):
    """Follows the clear simulation in the window, with `acts[i]` done while frame `i` is shown. Returns the boxes."""
    sequence = open_source(CLEAR)

    def follow(acts):
        tracker = Tracker(OnnxEngine(model_path, threads=1))
        boxes = []
        do(*acts.get(0, []))
        for _, found, _ in track_live(tracker, sequence.frames(), DrawnBox(sequence.init_box), window):
            boxes.append(found.box)
            do(*acts.get(len(boxes), []))
        return np.array(boxes)

    return follow


def test_a_new_box_starts_the_tracker_anew_on_the_frame_shown(run):
    plain = run({})
    scale = PANEL[0] / 160
    x, y, w, h = 100, 20, 30, 40
    drawn = run({5: [NEW, *drag((x * scale, y * scale), ((x + w) * scale, (y + h) * scale)), ENTER]})
    assert len(drawn) == len(plain) == 12
    np.testing.assert_array_equal(drawn[:5], plain[:5])
    np.testing.assert_allclose(drawn[5], [x, y, w, h], atol=0.5)


def test_a_cancelled_box_changes_nothing(run):
    np.testing.assert_array_equal(run({5: [NEW, ESCAPE]}), run({}))


def test_a_run_ends_after_the_frame_in_which_it_is_ended(run):
    assert len(run({4: [ESCAPE]})) == 5


def test_a_start_without_a_display_names_the_other_way(monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    sequence = open_source(CLEAR)
    with pytest.raises(ValueError, match="--init mouse: give --init x,y,w,h .*no display"):
        start_box(sequence, "mouse", Registration(), None)
    np.testing.assert_array_equal(start_box(sequence, None, Registration(), None)[1].box, sequence.init_box)
    sequence.init_box = sequence.boxes = None
    with pytest.raises(ValueError, match="does not say where the target is.*give --init x,y,w,h"):
        start_box(sequence, None, Registration(), None)


def test_a_start_that_the_person_cancels_is_an_interruption(window):
    do(ESCAPE)
    with pytest.raises(KeyboardInterrupt, match="no box was drawn"):
        start_box(open_source(CLEAR), "mouse", Registration(), window)
