"""Files that anybody may have made or damaged: each is read, or refused in words, and nothing else happens.

The same 30 damages every time; more, to look for others: CKD_ROS_DAMAGES=5000.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed: make test installs it")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from spoilt import spoilt  # noqa: E402

DAMAGES = int(os.environ.get("CKD_ROS_DAMAGES", 30))
BOXES = b"x,y,w,h\n1,2,30,40\n1.5,2.5,30,40\n\nnan,nan,nan,nan\n5;6;7;8\n"
TRUTH = b"stamp,x,y,w,h\n1000000000,1,2,30,40\n1050000000,1.5,2,30,40\n"
TEXTS = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode))


def damaged(whole: bytes) -> Callable:
    """Runs a test on the file's damaged contents."""
    return lambda test: settings(
        max_examples=DAMAGES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(given(data=st.one_of(spoilt(st.just(whole)), spoilt(st.just(whole)), TEXTS))(test))


def refused(read: Callable[[], object]) -> None:
    """Reads, or sees it refused in the words that the command line makes one line of."""
    try:
        read()
    except (ValueError, OSError) as error:
        assert str(error)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_box_files(place):
    from ckd_ros.datasets.boxes import read_boxes

    @damaged(BOXES)
    def read(data):
        path = written(place / "boxes.txt", data)
        refused(lambda: read_boxes(path))
        refused(lambda: read_boxes(path, corners=True))

    read()


def test_truth_of_bags(place):
    pytest.importorskip("rosbags")
    from ckd_ros.datasets.bag import read_truth

    @damaged(TRUTH)
    def read(data):
        refused(lambda: read_truth(written(place / "truth.csv", data)))

    read()


RESULTS = ("car.txt", "car_time.txt", "car_confidence.txt", "car_faults.txt", "settings.json")


@pytest.mark.parametrize("file", RESULTS)
def test_results_of_a_tracker(tmp_path, file):
    from ckd_ros.evaluation.result_files import finished, read_results

    for name in RESULTS[:-1]:
        (tmp_path / name).write_text("1,2,3,4\n")

    @damaged(b'{"label": "ckd"}' if file.endswith("json") else BOXES)
    def read(data):
        written(tmp_path / file, data)
        results = read_results(tmp_path, {"car": 3, "lost": 2})
        assert len(results.passes["car"].boxes) == 3 if "car" in results.passes else results.faults["car"]
        finished(tmp_path, ["car"])

    read()


@pytest.mark.parametrize("part", ["data", "metadata"])
@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_bags(tmp_path, storage, part):
    pytest.importorskip("rosbags")
    from rosbags.rosbag2 import StoragePlugin, Writer

    from ckd_ros.datasets.bag import BagSequence, has_images, read_tracks
    from ckd_ros.datasets.bag_images import RAW, image_message
    from ckd_ros.datasets.track_bag import BOX, TOPIC, TRACK, known_types
    from ckd_ros.frames import Image

    types, folder = known_types(), tmp_path / "bag"
    with Writer(folder, version=9, storage_plugin=StoragePlugin[storage]) as writer:
        topics = [writer.add_connection(f"/{name}/image", RAW, typestore=types) for name in ("rgb", "thermal")]
        tracks = writer.add_connection(TOPIC, TRACK, typestore=types)
        stamp = types.types["builtin_interfaces/msg/Time"](0, 0)
        header, box = types.types["std_msgs/msg/Header"](stamp, ""), types.types[BOX](1.0, 2.0, 3.0, 4.0)
        track = types.types[TRACK](header, 1, 1, 0.5, box, box, stamp, True, True, *[0.0] * 5)
        for time in (10**9, 2 * 10**9):
            image = image_message(types, Image(np.zeros((4, 6), np.uint8), "mono8"), time, "camera")
            for topic in topics:
                writer.write(topic, time, types.serialize_cdr(image, RAW))
            writer.write(tracks, time, types.serialize_cdr(track, TRACK))
    (file,) = (path for path in folder.iterdir() if path.suffix != ".yaml")
    assert len(BagSequence(folder)) == 2 and len(read_tracks(folder, TOPIC)) == 2
    path = file if part == "data" else folder / "metadata.yaml"

    @damaged(path.read_bytes())
    def read(data):
        written(path, data)
        refused(lambda: has_images(file))
        refused(lambda: read_tracks(folder, TOPIC))
        refused(lambda: list(BagSequence(folder).frames()))

    read()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".onnx"])
def test_networks(place, suffix, model_path):
    from ckd_ros.tracking.engine import open_engine

    path = place / f"network{suffix}"
    if suffix == ".onnx":
        whole = model_path.read_bytes()
        read = lambda: open_engine(path, ["cpu"], threads=1)  # noqa: E731
    else:
        torch = pytest.importorskip("torch")
        from ckd_ros.network.checkpoint import save_checkpoint
        from ckd_ros.network.importing import read_foreign
        from ckd_ros.network.presets import preset

        weights, config = {"head.weight": torch.ones(3, 2)}, preset("tiny")
        if suffix == ".pt":
            torch.save({"net": weights}, path)
            read = lambda: read_foreign(path, config)  # noqa: E731
        else:
            save_checkpoint(path, weights, config)
            read = lambda: open_engine(path, ["cpu"])  # noqa: E731
        whole = path.read_bytes()

    @damaged(whole)
    def each(data):
        written(path, data)
        refused(read)

    each()


def test_parameter_files(place):
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    from ckd_ros.app.node_settings import read_node_settings
    from ckd_ros.ros.parameter_files import ignored_files, unusable_files
    from ckd_ros.ros.parameters import PARAMETERS

    path = place / "tracker.yaml"
    arguments = ["--params-file", str(path)]
    text = "/**:\n  ros__parameters:\n    registration: {type: offset, offset: [1.0, 2.0]}\n    tracker: {lead: 0.5}\n"

    @damaged(text.encode())
    def read(data):
        written(path, data)
        refused(lambda: read_node_settings(path))
        faults = unusable_files(arguments)
        assert all(len(fault.splitlines()) == 1 for fault in faults)
        if not faults:
            ignored_files(arguments, "/ckd/tracker", PARAMETERS, [])

    read()


def test_remembered_targets(place, monkeypatch):
    pytest.importorskip("rclpy", reason="no rclpy: run `make setup`, or source a ROS 2 distribution")
    pytest.importorskip("ckd_ros.msg", reason="the interfaces are not built: run `make setup` or `colcon build`")
    from ckd_ros.frames import FramePair, Image
    from ckd_ros.ros.target_memory import TargetMemory
    from ckd_ros.tracking import TrackState

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    memory = TargetMemory("/ckd/tracker", 10.0)
    images = FramePair(Image(np.zeros((4, 6, 3), np.uint8), "rgb8"), Image(np.zeros((4, 6), np.uint8), "mono8"))
    seen = SimpleNamespace(state=TrackState.TRACKING, box=np.array([1.0, 1.0, 2.0, 2.0]))
    memory.note(1, images, seen)
    tracker = SimpleNamespace(init=lambda *_, **__: None)

    @damaged(memory.path.read_bytes())
    def read(data):
        written(memory.path, data)
        target, what = memory.restore(tracker)
        assert (target > 0) == what.startswith(f"target {target} is taken up again")

    read()
