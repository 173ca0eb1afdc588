"""What `open_source` makes of what a user names: every kind of source, from small real files, and every mistake."""

import cv2
import numpy as np
import pytest
from recorded import COUNT, PERIOD, RATE, Recorded, colour, warm

from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.sources import open_source


def rgb_of(image):
    code = {"rgb8": None, "bgr8": cv2.COLOR_BGR2RGB}[image.encoding]
    return image.data if code is None else cv2.cvtColor(image.data, code)


def assert_frames(sequence, tolerance=0.0):
    """The pairs show the frames above, in order, within a mean difference that lossy coding explains."""
    pairs = list(sequence.frames())
    assert len(pairs) == len(sequence) == COUNT
    for i, pair in enumerate(pairs):
        assert np.abs(rgb_of(pair.rgb).astype(float) - colour(i)).mean() <= tolerance
        assert pair.thermal.encoding == "mono8"
        assert np.abs(pair.thermal.data.astype(float) - warm(i)).mean() <= tolerance
    return pairs


def write_video(path, images, rate=RATE):
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image[..., ::-1])
    writer.release()


@pytest.fixture
def videos(tmp_path):
    write_video(tmp_path / "rgb.avi", [colour(i) for i in range(COUNT)])
    write_video(tmp_path / "thermal.avi", [warm(i) for i in range(COUNT)])
    return tmp_path


# Sequence folders


def test_a_sequence_folder_of_the_benchmark(tmp_path):
    folder = tmp_path / "walker"
    for name in ("visible", "infrared"):
        (folder / name).mkdir(parents=True)
    for i in range(COUNT):
        cv2.imwrite(str(folder / "visible" / f"v{i:03d}.png"), colour(i)[..., ::-1])
        cv2.imwrite(str(folder / "infrared" / f"i{i + 7:03d}.png"), cv2.cvtColor(warm(i), cv2.COLOR_GRAY2BGR))
    rows = "".join(f"{8 * i}\t16\t24\t24\n" for i in range(COUNT - 1)) + "0\t0\t0\t0\n"
    (folder / "visible.txt").write_text(rows)
    (folder / "init.txt").write_text("0,16,24,24\n")

    sequence = open_source(str(folder), rate=20)
    pairs = assert_frames(sequence)
    assert (sequence.name, sequence.rate) == ("walker", 20)
    assert [(pair.stamp, pair.thermal_stamp) for pair in pairs] == [(i * PERIOD, i * PERIOD) for i in range(COUNT)]
    np.testing.assert_array_equal(sequence.init_box, [0, 16, 24, 24])
    np.testing.assert_array_equal(sequence.boxes[1], [8, 16, 24, 24])
    assert np.isnan(sequence.boxes[-1]).all(), "a box without area means: not visible"


def test_a_written_sequence_reads_back_with_its_stamps_its_truth_and_its_losses(tmp_path):
    original = Recorded(lost=[("rgb", 1), ("thermal", 3)])
    write_lasher(original, tmp_path / "out")
    sequence = open_source(str(tmp_path / "out"))
    assert sequence.rate == RATE
    np.testing.assert_allclose(sequence.boxes, original.boxes, atol=0.005)
    np.testing.assert_allclose(sequence.thermal_boxes, original.thermal_boxes, atol=0.005)
    for i, (pair, expected) in enumerate(zip(sequence.frames(), original.frames(), strict=True)):
        assert (pair.stamp, pair.thermal_stamp) == (expected.stamp, expected.thermal_stamp)
        assert (pair.rgb is None, pair.thermal is None) == (i == 1, i == 3)
        if pair.rgb:
            assert np.abs(rgb_of(pair.rgb).astype(float) - colour(i)).mean() < 4


def test_sixteen_bit_thermal_survives_a_sequence_folder(tmp_path):
    write_lasher(Recorded(dtype=np.uint16), tmp_path / "out")
    pair = next(open_source(str(tmp_path / "out")).frames())
    assert pair.thermal.encoding == "mono16"
    np.testing.assert_array_equal(pair.thermal.data, warm(0, np.uint16))


def test_one_modality_of_a_lossy_sequence_leaves_out_its_lost_frames_and_their_truth(tmp_path):
    write_lasher(Recorded(lost=[("thermal", 3)]), tmp_path / "out")
    sequence = open_source(str(tmp_path / "out"), modality="thermal")
    pairs = list(sequence.frames())
    assert len(pairs) == len(sequence) == COUNT - 1
    assert all(pair.rgb is None and pair.stamp is None for pair in pairs)
    np.testing.assert_allclose(sequence.boxes[3], [16, 8, 12, 12])  # of frame 4, in thermal pixels


def test_a_sequence_is_never_written_over_something_else(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        write_lasher(Recorded(), tmp_path / "out")
    assert (tmp_path / "out" / "precious.txt").read_text() == "mine"


def test_a_sequence_that_fails_to_be_written_leaves_nothing(tmp_path):
    def broken():
        yield next(Recorded().frames())
        raise ValueError("camera on fire")

    with pytest.raises(ValueError, match="fire"):
        write_lasher(Recorded(), tmp_path / "out", broken())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "visible" / "000002.jpg").unlink(), "5 visible and 6 infrared"),
        (lambda f: (f / "frames.csv").unlink() or (f / "visible" / "000002.jpg").unlink(), "5 images in visible and 6"),
        (lambda f: (f / "visible.txt").write_text("1,2,3,4\nnonsense\n"), "line 2.*nonsense"),
        (lambda f: (f / "visible.txt").write_text("1,2,3,4\n" * 9), "9 boxes for 6 frames"),
        (lambda f: [p.unlink() for p in f.glob("*/*.jpg")], "visible has no images .* nothing"),
    ],
)
def test_a_damaged_sequence_folder_is_refused_with_the_reason(tmp_path, spoil, message):
    write_lasher(Recorded(), tmp_path / "out")
    spoil(tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        open_source(str(tmp_path / "out"))


def test_a_truncated_image_is_named(tmp_path):
    write_lasher(Recorded(), tmp_path / "out")
    (tmp_path / "out" / "visible" / "000002.jpg").write_bytes(b"")
    frames = open_source(str(tmp_path / "out")).frames()
    next(frames)
    with pytest.raises(ValueError, match="000002.jpg is not an image"):
        next(frames)


# Videos


def test_two_videos(videos):
    sequence = open_source(f"{videos}/rgb.avi,{videos}/thermal.avi")
    pairs = assert_frames(sequence, tolerance=6)
    assert sequence.rate == RATE and sequence.boxes is None and sequence.init_box is None
    assert [pair.stamp for pair in pairs] == [i * PERIOD for i in range(COUNT)]


def test_videos_of_different_rates_are_paired_by_time(videos):
    write_video(videos / "slow.avi", [warm(i) for i in range(3)], rate=RATE / 2)
    pairs = list(open_source(f"{videos}/rgb.avi,{videos}/slow.avi").frames())
    assert [pair.thermal_stamp for pair in pairs if pair.rgb] == [0, None, 2 * PERIOD, None, 4 * PERIOD, None]
    assert np.abs(pairs[4].thermal.data.astype(float) - warm(2)).mean() < 6


@pytest.mark.parametrize(("spec", "modality"), [("{}/rgb.avi,", "both"), ("{}/rgb.avi", "rgb")])
def test_one_colour_video(videos, spec, modality):
    for pair in open_source(spec.format(videos), modality=modality).frames():
        assert pair.thermal is None and pair.thermal_stamp is None and pair.rgb.encoding == "bgr8"


@pytest.mark.parametrize(("spec", "modality"), [(",{}/thermal.avi", "both"), ("{}/thermal.avi", "thermal")])
def test_one_thermal_video_with_truth_beside_it(videos, spec, modality):
    rows = ["x,y,w,h"] + [f"{4 * i},8,12,12" for i in range(COUNT - 2)] + ["nan,nan,nan,nan"]
    (videos / "thermal.csv").write_text("\n".join(rows))
    sequence = open_source(spec.format(videos), modality=modality)
    assert all(pair.rgb is None and pair.thermal.encoding == "mono8" for pair in sequence.frames())
    np.testing.assert_array_equal(sequence.init_box, [0, 8, 12, 12])
    np.testing.assert_array_equal(sequence.boxes[3], [12, 8, 12, 12])
    assert len(sequence.boxes) == COUNT and np.isnan(sequence.boxes[4:]).all()


def test_a_chosen_rate_stretches_the_stamps(videos):
    sequence = open_source(f"{videos}/rgb.avi,{videos}/thermal.avi", rate=10)
    assert sequence.rate == 10
    assert [pair.stamp for pair in sequence.frames()] == [2 * i * PERIOD for i in range(COUNT)]


def test_a_single_video_needs_a_modality(videos):
    with pytest.raises(ValueError, match="modality rgb or thermal"):
        open_source(f"{videos}/rgb.avi")


def test_an_unreadable_video_is_named(videos):
    (videos / "empty.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match="empty.mp4"):
        open_source(f"{videos}/empty.mp4,")
    with pytest.raises(ValueError, match="no video .*absent.mp4"):
        open_source(f"{videos}/rgb.avi,{videos}/absent.mp4")


def test_real_thermal_video(shared):
    sequence = open_source(str(shared / "data/drone_thermal/IR_AIRPLANE_001.mp4"), modality="thermal")
    assert len(sequence.boxes) == len(sequence) == 322
    np.testing.assert_array_equal(sequence.init_box, [138, 81, 24, 15])
    assert next(sequence.frames()).thermal.data.shape == (256, 320)


# The simulator

SMALL = "frames=5,width=96,height=64,thermal_width=48,thermal_height=32,target_size=16"


def test_the_simulator_with_settings():
    sequence = open_source(f"simulator:{SMALL},seed=3,pairs=none", rate=10)
    pairs = list(sequence.frames())
    assert len(pairs) == len(sequence) == len(sequence.boxes) == 5
    assert sequence.rate == 10 and sequence.config.seed == 3 and sequence.config.pairs is None
    assert [pair.stamp - pairs[0].stamp for pair in pairs] == [i * 2 * PERIOD for i in range(5)]
    assert pairs[0].rgb.data.shape == (64, 96, 3) and pairs[0].thermal.data.shape == (32, 48)
    assert len(open_source("simulator")) == 300


def test_a_folder_of_registered_pairs_feeds_the_simulator(tmp_path):
    for name, image in (("rgb", colour(2)[..., ::-1]), ("tir", warm(2))):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "street.png"), cv2.resize(image, None, fx=4, fy=4))
    sequence = open_source(str(tmp_path), rate=25)
    assert sequence.config.pairs == tmp_path and sequence.rate == 25


@pytest.mark.parametrize("modality", ["rgb", "thermal"])
def test_one_camera_of_the_simulator_without_its_lost_images(modality):
    whole = open_source(f"simulator:{SMALL},loss=0.5,seed=6")
    kept = [i for i, pair in enumerate(whole.frames()) if getattr(pair, modality) is not None]
    assert 0 < len(kept) < 5, "some images are lost, or this test shows nothing"
    sequence = open_source(f"simulator:{SMALL},loss=0.5,seed=6", modality=modality)
    pairs = list(sequence.frames())
    assert len(pairs) == len(sequence) == len(kept)
    assert all(getattr(pair, "thermal" if modality == "rgb" else "rgb") is None for pair in pairs)
    truth = whole.boxes if modality == "rgb" else whole.thermal_boxes
    np.testing.assert_array_equal(sequence.boxes, truth[kept])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("colour=red", "'colour=red' is not a simulator setting.*seed"),
        ("seed", "'seed' is not a simulator setting.*KEY=VALUE"),
        ("frames=many", "frames is 'many': it must be a whole number"),
        ("night=7", "night is 7.0: it must be a number from 0 to 1"),
    ],
)
def test_a_wrong_simulator_setting_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        open_source(f"simulator:{settings}")


# Nothing that is a source


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("nowhere", FileNotFoundError, "'nowhere' does not exist: expected 'simulator'"),
        ("nowhere.mcap?rgb=/a", FileNotFoundError, "no bag 'nowhere.mcap'"),
        (",", ValueError, "not a pair of videos"),
        ("a,b,c", ValueError, "not a pair of videos"),
    ],
)
def test_a_source_that_does_not_exist(spec, error, message):
    with pytest.raises(error, match=message):
        open_source(spec)


def test_a_folder_that_holds_no_source(tmp_path):
    (tmp_path / "holiday.txt").write_text("")
    with pytest.raises(ValueError, match="expected rgb/ and tir/.*found holiday.txt"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("rate", [0, -3, float("nan")])
def test_an_impossible_rate(videos, rate):
    with pytest.raises(ValueError, match="rate"):
        open_source(f"{videos}/rgb.avi,", rate=rate)


def test_an_unknown_modality(videos):
    with pytest.raises(ValueError, match="expected one of both, rgb, thermal"):
        open_source(f"{videos}/rgb.avi,", modality="sonar")
