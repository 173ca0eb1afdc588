"""What a hostile or broken camera or client may send to the tracker node, as Hypothesis strategies.

Half of it is a whole message with something wrong, so that it gets past the first check; the rest is anything at all.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from ckd_ros.msg import BoundingBox
from ckd_ros.srv import InitTarget, StopTarget
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetAvailableStates, GetAvailableTransitions, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from spoilt import spoilt
from std_msgs.msg import Header

from ckd_ros.image_layouts import LAYOUTS
from ckd_ros.ros.parameters import PARAMETERS

#: Numbers at which unsigned and signed fields of a message turn, and sizes that ask for more memory than there is.
_EDGES = (0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_SIDES = st.one_of(st.integers(0, 64), st.sampled_from(_EDGES))
_FLOATS = st.one_of(
    st.floats(width=64), st.floats(-1e4, 1e4), st.sampled_from((0.0, -0.0, 1e308, -1e308, 5e-324, 1e-9))
)
_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
#: Two that end the node for good are left out: whoever may call `change_state` may end it (docs/security.md).
_TRANSITIONS = st.one_of(st.integers(0, 4), st.integers(8, 255))


def stamps() -> SearchStrategy[Time]:
    """Times of every kind: none, long ago, far ahead, with more nanoseconds than a second has."""
    seconds = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from((0, -1, 1, 2**31 - 1, -(2**31))))
    nanoseconds = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from((0, 10**9 - 1, 10**9, 2**32 - 1)))
    return st.builds(Time, sec=seconds, nanosec=nanoseconds)


def headers() -> SearchStrategy[Header]:
    return st.builds(Header, stamp=stamps(), frame_id=_TEXTS)


@st.composite
def images(draw: Callable[..., Any]) -> Image:
    """A raw image: of a known encoding and whole but for one thing, or of fields that have nothing to do with one
    another."""
    message = Image(header=draw(headers()), is_bigendian=draw(st.sampled_from((0, 1, 255))))
    if draw(st.booleans()):
        message.encoding = draw(st.one_of(st.sampled_from(sorted(LAYOUTS)), _TEXTS))
        message.width, message.height, message.step = draw(_SIDES), draw(_SIDES), draw(_SIDES)
        message.data = array("B", draw(st.binary(max_size=4096)))
        return message
    message.encoding = draw(st.sampled_from(sorted(LAYOUTS)))
    layout = LAYOUTS[message.encoding]
    message.width, message.height = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    message.step = message.width * layout.pixel + draw(st.sampled_from((0, 0, 1, 7)))
    size = message.step * layout.rows(message.height)
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = noise.integers(0, 256, size, np.uint8) if draw(st.booleans()) else np.full(size, draw(st.integers(0, 255)))
    message.data = array("B", data.astype(np.uint8).tobytes())
    wrong = draw(st.sampled_from(("", "width", "height", "step", "data")))
    if wrong == "data":
        message.data = message.data[: draw(st.integers(0, size))]
    elif wrong:
        setattr(message, wrong, draw(_SIDES))
    return message


@st.composite
def compressed_images(draw: Callable[..., Any]) -> CompressedImage:
    """A JPEG or PNG that is cut, damaged, doubled or says that it is enormous; or any bytes."""
    message = CompressedImage(header=draw(headers()))
    message.format = draw(st.one_of(st.sampled_from(("jpeg", "png", "bgr8; jpeg compressed bgr8", "")), _TEXTS))
    data = draw(st.one_of(spoilt(_pictures()), st.binary(max_size=512), st.builds(bytes.__add__, _starts(), _tails())))
    message.data = array("B", data)
    return message


@st.composite
def _pictures(draw: Callable[..., Any]) -> bytes:
    height, width, channels = draw(st.integers(1, 48)), draw(st.integers(1, 48)), draw(st.sampled_from((1, 3, 4)))
    kind = draw(st.sampled_from((".jpg", ".png", ".png16")))
    seed = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    deep = kind == ".png16"
    pixels = seed.integers(0, 65536 if deep else 256, (height, width, channels), np.uint16 if deep else np.uint8)
    data = cv2.imencode(kind.removesuffix("16"), pixels[..., :3] if kind == ".jpg" else pixels)[1].tobytes()
    if kind != ".jpg" and draw(st.booleans()):  # a few bytes that ask for gigabytes
        sides = draw(st.tuples(*[st.sampled_from((0, 1, 30_000, 2**31 - 1, 2**32 - 1))] * 2))
        data = data[:16] + b"".join(side.to_bytes(4, "big") for side in sides) + data[24:]
    return data


def _starts() -> SearchStrategy[bytes]:
    kinds = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"P5\n9 9\n255\n")
    return st.sampled_from(kinds)


def _tails() -> SearchStrategy[bytes]:
    return st.builds(bytes.__add__, st.binary(max_size=256), st.sampled_from((b"", b"\xff\xd9", b"IEND\xaeB`\x82")))


@st.composite
def camera_infos(draw: Callable[..., Any]) -> CameraInfo:
    """A calibration of sizes, lenses and cuts that no camera has."""
    message = CameraInfo(header=draw(headers()), width=draw(_SIDES), height=draw(_SIDES))
    message.distortion_model = draw(
        st.one_of(st.sampled_from(("plumb_bob", "rational_polynomial", "equidistant", "fisheye", "")), _TEXTS)
    )
    message.d = draw(st.lists(_FLOATS, max_size=16))
    for name, count in (("k", 9), ("r", 9), ("p", 12)):
        likely = [400.0, 0.0, 30.0, 0.0, 400.0, 30.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0][:count]
        setattr(message, name, draw(st.one_of(st.just(likely), st.lists(_FLOATS, min_size=count, max_size=count))))
    message.binning_x, message.binning_y = draw(_SIDES), draw(_SIDES)
    fields = dict.fromkeys(("x_offset", "y_offset", "width", "height"), _SIDES)
    message.roi = draw(st.builds(RegionOfInterest, do_rectify=st.booleans(), **fields))
    return message


def serialized(messages: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Messages, and among them their bytes, spoilt: what is no message at all.

    Some bytes always: behind an empty one Fast DDS delivers nothing more of the same publisher, which so attacks nobody
    but itself.
    """
    return st.one_of(messages, messages, messages, spoilt(messages.map(serialize_message)).filter(len))


def init_requests() -> SearchStrategy[InitTarget.Request]:
    boxes = st.builds(BoundingBox, x=_FLOATS, y=_FLOATS, width=_FLOATS, height=_FLOATS)
    times = st.one_of(st.just(Time()), stamps())
    return st.builds(InitTarget.Request, image=st.integers(0, 255), box=boxes, stamp=times)


@st.composite
def parameters(draw: Callable[..., Any]) -> Parameter:
    """A parameter of the node with a value of the right type or of another one; or one that it does not have."""
    name = draw(st.one_of(st.sampled_from(sorted(PARAMETERS)), st.sampled_from(sorted(PARAMETERS)), _TEXTS))
    default = PARAMETERS[name].default if name in PARAMETERS else None
    right = ParameterType.PARAMETER_NOT_SET
    for kind, number in _TYPES:
        if isinstance(default, kind) or (isinstance(default, list) and default and isinstance(default[0], kind)):
            right = number + _ARRAY * isinstance(default, list)
            break
    number = draw(st.one_of(st.just(right), st.integers(0, 9)))
    value = ParameterValue(type=number)
    choices = PARAMETERS[name].choices if name in PARAMETERS else ()
    words = st.one_of(st.sampled_from(choices), _TEXTS) if choices and isinstance(choices[0], str) else _TEXTS
    whole = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 300))
    count = len(default) if isinstance(default, list) else draw(st.integers(0, 10))
    lists = {"min_size": 0, "max_size": 12} if draw(st.booleans()) else {"min_size": count, "max_size": count}
    fields = {
        ParameterType.PARAMETER_BOOL: ("bool_value", st.booleans()),
        ParameterType.PARAMETER_INTEGER: ("integer_value", whole),
        ParameterType.PARAMETER_DOUBLE: ("double_value", _FLOATS),
        ParameterType.PARAMETER_STRING: ("string_value", words),
        ParameterType.PARAMETER_BYTE_ARRAY: ("byte_array_value", st.lists(st.binary(min_size=1, max_size=1), **lists)),
        ParameterType.PARAMETER_BOOL_ARRAY: ("bool_array_value", st.lists(st.booleans(), **lists)),
        ParameterType.PARAMETER_INTEGER_ARRAY: ("integer_array_value", st.lists(whole, **lists)),
        ParameterType.PARAMETER_DOUBLE_ARRAY: ("double_array_value", st.lists(_FLOATS, **lists)),
        ParameterType.PARAMETER_STRING_ARRAY: ("string_array_value", st.lists(words, **lists)),
    }
    if number in fields:
        field, values = fields[number]
        setattr(value, field, draw(values))
    return Parameter(name=name, value=value)


#: Python's type of a parameter -> ROS's; a list of it is so many further on. A truth value counts as a whole number.
_TYPES = (
    (bool, ParameterType.PARAMETER_BOOL),
    (int, ParameterType.PARAMETER_INTEGER),
    (float, ParameterType.PARAMETER_DOUBLE),
    (str, ParameterType.PARAMETER_STRING),
)
_ARRAY = ParameterType.PARAMETER_BOOL_ARRAY - ParameterType.PARAMETER_BOOL


def _names() -> SearchStrategy[list[str]]:
    return st.lists(st.one_of(st.sampled_from(sorted(PARAMETERS)), _TEXTS), max_size=5)


#: Every service of the node: its type by its name below that of the node, and what is asked of it.
SERVICES: dict[str, tuple[Any, SearchStrategy[Any]]] = {
    "init_target": (InitTarget, init_requests()),
    "stop": (StopTarget, st.builds(StopTarget.Request, target_id=st.integers(0, 3) | st.integers(0, 2**32 - 1))),
    "tracker/set_parameters": (
        SetParameters,
        st.builds(SetParameters.Request, parameters=st.lists(parameters(), max_size=4)),
    ),
    "tracker/set_parameters_atomically": (
        SetParametersAtomically,
        st.builds(SetParametersAtomically.Request, parameters=st.lists(parameters(), max_size=4)),
    ),
    "tracker/get_parameters": (GetParameters, st.builds(GetParameters.Request, names=_names())),
    "tracker/get_parameter_types": (GetParameterTypes, st.builds(GetParameterTypes.Request, names=_names())),
    "tracker/describe_parameters": (DescribeParameters, st.builds(DescribeParameters.Request, names=_names())),
    "tracker/list_parameters": (
        ListParameters,
        st.builds(ListParameters.Request, prefixes=_names(), depth=st.integers(0, 2**64 - 1)),
    ),
    "tracker/change_state": (
        ChangeState,
        st.builds(
            ChangeState.Request,
            transition=st.builds(
                Transition, id=_TRANSITIONS, label=_TEXTS.filter(lambda text: text not in ("shutdown", "destroy"))
            ),
        ),
    ),
    "tracker/get_state": (GetState, st.builds(GetState.Request)),
    "tracker/get_available_states": (GetAvailableStates, st.builds(GetAvailableStates.Request)),
    "tracker/get_available_transitions": (GetAvailableTransitions, st.builds(GetAvailableTransitions.Request)),
    "tracker/get_transition_graph": (GetAvailableTransitions, st.builds(GetAvailableTransitions.Request)),
}
with suppress(ImportError):  # from Jazzy on
    from type_description_interfaces.srv import GetTypeDescription

    _ABOUT = st.builds(
        GetTypeDescription.Request, type_name=_TEXTS, type_hash=_TEXTS, include_type_sources=st.booleans()
    )
    SERVICES["tracker/get_type_description"] = GetTypeDescription, _ABOUT
