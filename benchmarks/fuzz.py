"""Sends the tracker node what no camera and no client should, through real middleware: does it go on?

    tools/env.sh python benchmarks/fuzz.py --messages 10000 --calls 1000 --json fuzz.json

The node is a process of its own. It must live, log no traceback, count every message that the middleware delivers
(`received` and `camera_info` in `/diagnostics`), answer every call, and track again when good images follow. What it
was sent before it did not lies in the folder `--save`, as serialised messages. Needs `hypothesis` (`make test` brings
it).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import hostile
import hypothesis
import rclpy
import tyro
from ckd_ros.msg import BoundingBox, Track
from ckd_ros.srv import InitTarget, StopTarget
from diagnostic_msgs.msg import DiagnosticArray
from hypothesis import strategies as st
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from private_ros import private_ros
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig
from ckd_ros.ros import conversions
from ckd_ros.ros.parameters import PARAMETERS
from ckd_ros.tracking import default_model

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "tracker_node"
STREAMS = ("rgb", "thermal")
#: Messages between two looks at what the node has counted: as many as its queues hold.
BATCH = 100
#: The node must have answered, or counted, within this time, seconds.
PATIENCE = 30.0
#: Messages, or calls, between two proofs that it still tracks.
PROOF = 1000
#: Signs of a process that broke.
SIGNS = ("Traceback", "terminate called", "Fatal Python error", "Exception ignored")
_CHANGE_STATE = "tracker/change_state"


class Failure(Exception):
    """What the node should not have done."""


@dataclass
class Tally:
    """What became of what was sent.

    Attributes:
        sent: messages; what is none, as bytes on an image topic, the middleware itself throws away.
        counted, refused: messages that the node received, and images among them that it did not use, for their own
            sake or for that of their stamp.
        calls, answers: service calls.
        proofs: how often the node was seen to track a target afterwards.
        failures: what went wrong.
    """

    sent: int = 0
    counted: int = 0
    refused: int = 0
    calls: int = 0
    answers: int = 0
    proofs: int = 0
    failures: list[str] = field(default_factory=list)


def main(
    messages: int = 10_000,
    calls: int = 1_000,
    seed: int = 0,
    model: Path | None = None,
    save: Path = Path("fuzz"),
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> int:
    """Attack and print. Returns the number of failures.

    Args:
        messages: images and camera_infos, half of them for raw and half for compressed images.
        calls: service calls, most of them between the messages.
        seed: of everything that is sent.
        model: the network; default: the shipped student.
        save: folder for what was sent before a failure.
        json_file: where the figures go.
    """
    begin = time.monotonic()
    tally = fuzz(messages, calls, seed, model or default_model(), save)
    figures = {"seed": seed, "seconds": round(time.monotonic() - begin, 1), **asdict(tally)}
    print(json.dumps(figures, indent=2))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")
    return len(tally.failures)


def fuzz(messages: int, calls: int, seed: int, model: Path, save: Path) -> Tally:
    """Attack a node for raw images, one for compressed images, and one with calls alone, lifecycle among them."""
    tally = Tally()
    between = 2 * calls // 5
    with private_ros() as context:
        for transport, many, asked in (
            ("raw", messages - messages // 2, between),
            ("compressed", messages // 2, between),
            ("raw", 0, calls - 2 * between),
        ):
            with running(transport, model) as (node, log), Attack(node, log, transport, tally, context) as attack:
                try:
                    attack.run(many, asked, seed)
                except Failure as failure:
                    tally.failures.append(f"{transport}: {failure}")
                    print(f"{failure}; what it was sent lies in {attack.write(save)}\n{log.read_text()}", flush=True)
    return tally


@contextmanager
def running(transport: str, model: Path) -> Iterator[tuple[subprocess.Popen, Path]]:
    """The node as a process, and its log."""
    settings = {f"image_transport.{stream}": transport for stream in STREAMS}
    settings |= {"model.path": str(model), "model.threads": "1", "qos.depth": str(BATCH), "qos.reliability": "reliable"}
    settings["max_targets"] = "2"
    settings["limits.starts"] = "0"  # every request is to reach the tracker
    for stream in STREAMS:  # nor may the middleware drop any of these
        name = f"qos_overrides./ckd/{stream}/camera_info.subscription"
        settings |= {f"{name}.reliability": "reliable", f"{name}.depth": str(BATCH)}
    arguments = [word for name, value in settings.items() for word in ("-p", f"{name}:={value}")]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w") as log:
        command = [sys.executable, str(SCRIPT), "--ros-args", *arguments]
        node = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield node, Path(log.name)
        finally:
            node.terminate()
            try:
                node.wait(10)
            except subprocess.TimeoutExpired:
                node.kill()


class Attack:
    """Cameras and clients around a node that send what `hostile` draws.

    Args:
        node, log: its process, and the file in which what it prints ends up.
        transport: of the images.
        tally: counts on.
        context: of ROS.
    """

    def __init__(self, node: subprocess.Popen, log: Path, transport: str, tally: Tally, context: Context) -> None:
        self._process, self._log, self._tally, self._transport = node, log, tally, transport
        self._recent: list[tuple[str, bytes]] = []
        self._delivered: Counter[str] = Counter()
        self._unsure: Counter[str] = Counter()  # may be padded into a message on their way
        self._good = 0
        self._status: dict[str, dict[str, str]] = {}
        self._tracks: list[Track] = []
        self._node = rclpy.create_node("attacker", namespace="ckd", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._node.create_subscription(Track, "track", self._tracks.append, QoSProfile(depth=BATCH))
        compressed = transport == "compressed"
        kind, suffix = (CompressedImage, "/compressed") if compressed else (Image, "")
        self._topics = {f"{stream}/image": (kind, f"{stream}/image{suffix}") for stream in STREAMS}
        self._topics |= {f"{stream}/camera_info": (CameraInfo, f"{stream}/camera_info") for stream in STREAMS}
        self._publishers = {
            name: self._node.create_publisher(kind, topic, BATCH) for name, (kind, topic) in self._topics.items()
        }
        self._clients = {name: self._node.create_client(kind, name) for name, (kind, _) in hostile.SERVICES.items()}
        pictures = hostile.compressed_images() if compressed else hostile.images()
        self._messages = st.one_of(
            *[st.tuples(st.just(f"{s}/image"), hostile.serialized(pictures)) for s in STREAMS for _ in range(3)],
            *[st.tuples(st.just(f"{s}/camera_info"), hostile.serialized(hostile.camera_infos())) for s in STREAMS],
        )
        config = SimulatorConfig(frames=60, width=320, height=256, thermal_width=320, thermal_height=256)
        self._sequence = SimulatedSequence(config)
        self._pairs = list(self._sequence.frames())

    def __enter__(self) -> Attack:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()

    def run(self, messages: int, calls: int, seed: int) -> None:
        """Send so many messages, and calls evenly among them. Raises Failure."""
        self._connect()
        names = [name for name in PARAMETERS if not PARAMETERS[name].read_only]
        values = self._call("tracker/get_parameters", GetParameters.Request(names=names)).values
        self._initial = [Parameter(name=name, value=value) for name, value in zip(names, values, strict=True)]
        off = ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=False)
        self._initial.append(Parameter(name="use_sim_time", value=off))
        self._prove()
        services = [name for name in hostile.SERVICES if not messages or name != _CHANGE_STATE]
        requests = st.one_of(*[st.tuples(st.just(name), hostile.SERVICES[name][1]) for name in services])
        if not messages:
            _draw(requests, calls, seed, self._ask)
        else:
            self._each = max(1, messages // max(1, calls))
            steps = st.tuples(self._messages, requests) if calls else st.tuples(self._messages, st.none())
            self._calls_left, self._steps = calls, 0
            _draw(steps, messages, seed, self._step)
            self._settle()
            self._count()
        self._prove()

    def write(self, folder: Path) -> Path:
        """Keep what was sent last, one file a message or request, numbered. Returns the folder."""
        folder = Path(folder) / f"{self._transport}-{time.time_ns()}"
        folder.mkdir(parents=True)
        for number, (name, data) in enumerate(self._recent):
            (folder / f"{number:04d}.{name.replace('/', '.')}.cdr").write_bytes(data)
        (folder / "node.log").write_text(self._log.read_text())
        return folder

    def _step(self, step: tuple[tuple[str, Any], tuple[str, Any] | None]) -> None:
        (name, message), request = step
        self._send(name, message)
        self._steps += 1
        if request is not None and self._calls_left and self._steps % self._each == 0:
            self._calls_left -= 1
            self._call(*request)
        if self._steps % BATCH == 0:
            self._settle()
        if self._steps % PROOF == 0:
            self._prove()

    def _ask(self, request: tuple[str, Any]) -> None:
        self._call(*request)
        if self._tally.calls % (PROOF // 20) == 0:
            self._prove()

    def _send(self, name: str, message: Any) -> None:
        kind, _ = self._topics[name]
        data = message if isinstance(message, bytes) else serialize_message(message)
        self._recent.append((name, data))
        self._tally.sent += 1
        self._publishers[name].publish(message)
        if kind is not CameraInfo:  # that one the node deserialises itself
            try:
                deserialize_message(data, kind)
            except RuntimeError:
                self._unsure[name] += 1
                return
        self._delivered[name] += 1

    def _call(self, name: str, request: Any) -> Any:
        self._recent.append((name, serialize_message(request)))
        self._tally.calls += 1
        future = self._clients[name].call_async(request)
        self._wait(future.done, f"{name} was not answered")
        self._tally.answers += 1
        return future.result()

    def _settle(self) -> None:
        """Wait until the node has counted what it was sent."""
        sure, unsure = self._delivered, self._unsure
        self._wait(
            lambda: all(sure[name] <= count <= sure[name] + unsure[name] for name, count in self._counted().items()),
            lambda: f"it counted {self._counted()} of {dict(sure)}, beside {dict(unsure)} damaged ones",
        )
        self._recent.clear()

    def _counted(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for stream in STREAMS:
            status = self._status.get(stream, {})
            found[f"{stream}/image"] = int(status.get("received", 0))
            found[f"{stream}/camera_info"] = int(status.get("camera_info", 0))
        return found

    def _count(self) -> None:
        """Add what the node counted, the good images aside, to the tally."""
        received = self._counted()
        usable = sum(int(self._status[stream]["usable"]) for stream in STREAMS)
        self._tally.counted += received.total() - self._good
        self._tally.refused += sum(received[f"{stream}/image"] for stream in STREAMS) - usable

    def _prove(self) -> None:
        """See the node track a target after its parameters were set back."""
        self._activate()
        answer = self._call(
            "tracker/set_parameters_atomically", SetParametersAtomically.Request(parameters=self._initial)
        )
        if not answer.result.successful:
            raise Failure(f"its own parameters are refused: {answer.result.reason}")
        self._call("stop", StopTarget.Request())  # as many as max_targets may be followed
        said, started = "", False
        for index, pair in enumerate(self._pairs):
            self._tracks.clear()
            self._show(pair)
            self._wait(lambda: bool(self._tracks), "", 0.5, needed=False)
            box = self._sequence.boxes[index]
            if not started and box[0] == box[0] and index > 2:
                x, y, width, height = map(float, box)
                said = self._call(
                    "init_target", InitTarget.Request(box=BoundingBox(x=x, y=y, width=width, height=height))
                )
                started = said.success
            elif started and any(t.state == Track.TRACKING and t.rgb_used and t.thermal_used for t in self._tracks):
                self._tally.proofs += 1
                return
        raise Failure(f"it does not track again: {said}")

    def _activate(self) -> None:
        """Bring the node back from wherever calls have led it."""
        for _ in range(2):
            state = self._call("tracker/get_state", GetState.Request()).current_state.id
            step = {
                State.PRIMARY_STATE_UNCONFIGURED: Transition.TRANSITION_CONFIGURE,
                State.PRIMARY_STATE_INACTIVE: Transition.TRANSITION_ACTIVATE,
            }.get(state)
            if step is not None:
                self._call(_CHANGE_STATE, ChangeState.Request(transition=Transition(id=step)))

    def _show(self, pair: Any) -> None:
        now = time.time_ns()
        for stream, image in (("rgb", pair.rgb), ("thermal", pair.thermal)):
            if image is None:
                continue
            if self._transport == "raw":
                message = conversions.image_message(image.data, image.encoding, now, stream)
            else:
                pixels = image.data if image.data.ndim == 2 else image.data[..., ::-1]
                message = conversions.compressed_message(pixels, now, stream)
            self._send(f"{stream}/image", message)
            self._good += 1
            self._tally.sent -= 1

    def _connect(self) -> None:
        self._wait(
            lambda: (
                all(p.get_subscription_count() for p in self._publishers.values())
                and all(c.service_is_ready() for c in self._clients.values())
                and self._node.count_publishers("track") > 0
            ),
            "it did not start",
        )
        future = self._clients["tracker/get_state"].call_async(GetState.Request())  # a first answer may be lost:
        self._wait(future.done, "", 2.0, needed=False)  # the graph knows before the endpoints are matched

    def _wait(
        self, done: Callable[[], bool], what: str | Callable[[], str], seconds: float = PATIENCE, needed: bool = True
    ) -> None:
        """Handle what comes until `done`. Raises Failure where the node broke, or that does not come."""
        end = time.monotonic() + seconds
        while not done():
            self._executor.spin_once(timeout_sec=0.05)
            if self._process.poll() is not None:
                raise Failure(f"the node has ended with status {self._process.returncode}")
            if time.monotonic() > end:
                if needed:
                    raise Failure(what if isinstance(what, str) else what())
                return
        if found := [sign for sign in SIGNS if sign in self._log.read_text(errors="replace")]:
            raise Failure(f"its log has '{found[0]}'")

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = status.name.removeprefix("ckd/tracker: ")
            self._status[name] = {item.key: item.value for item in status.values}


def _draw(strategy: st.SearchStrategy[Any], count: int, seed: int, use: Callable[[Any], None]) -> None:
    """Give so many examples of a strategy to `use`, until it raises Failure."""
    failures: list[Failure] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def each(example: Any) -> None:
        if failures:
            return
        try:
            use(example)
        except Failure as failure:  # what came before has led to it: Hypothesis could not repeat it
            failures.append(failure)

    if count:
        each()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    raise SystemExit(min(1, tyro.cli(main)))
