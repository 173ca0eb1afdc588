"""One form for every setting: what is declared, checked, built from mappings and text, and said about what is wrong."""

from dataclasses import FrozenInstanceError, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from ckd_ros.datasets.simulator import SimulatorConfig
from ckd_ros.datasets.sources import BagSettings
from ckd_ros.settings import (
    RENAMED,
    REQUIRED,
    Above,
    Below,
    Range,
    Setting,
    all_settings,
    build,
    check,
    from_text,
    present_name,
    read_text,
    setting,
    settings_of,
    suggestion,
)
from ckd_ros.tracking import ConfidenceConfig, ThermalConfig, TrackerConfig


@dataclass(frozen=True)
class Lens:
    focal: float = setting(50.0, "focal length", low=Above(0))

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Camera:
    """A setting of every type."""

    name: str = setting(REQUIRED, "what it is called")
    width: int = setting(640, "pixels", 1, 4096)
    gain: float = setting(1.0, "brightness", 0, Below(16))
    flipped: bool = setting(False, "mounted upside down")
    mode: str = setting("day", "what it is set to", choices=("day", "night"))
    bits: int = setting(8, "of a pixel", choices=(8, 16))
    bus: Literal["usb", "gige"] = setting("usb", "how it is connected")
    folder: Path | None = setting(None, "where images go")
    exposure: Range = setting((0.1, 0.5), "drawn from evenly", 0, 1)
    matrix: tuple[float, ...] = setting((1.0,) * 6, "row by row", lengths=(6, 9))
    size: tuple[int, int] = setting((4, 3), "of the sensor")
    order: tuple[str, ...] = setting(("r",), "channels", choices=("r", "g", "b"))
    weights: dict[str, float] = setting({"r": 0.5}, "of the channels", low=0, choices=("r", "g", "b"))
    lens: Lens = setting(Lens(), "in front of it")
    spares: tuple[Lens, ...] = setting((), "in the bag")

    def __post_init__(self) -> None:
        check(self)


def test_defaults_are_taken_and_are_nobody_elses():
    camera = Camera("front")
    assert (camera.width, camera.folder, camera.weights, camera.lens.focal) == (640, None, {"r": 0.5}, 50.0)
    camera.weights["r"] = 0.0
    assert Camera("back").weights == {"r": 0.5}
    with pytest.raises(FrozenInstanceError):
        camera.width = 3


@pytest.mark.parametrize(
    "values",
    [
        {"gain": 3},
        {"gain": np.float32(0.5), "width": np.int64(7)},
        {"folder": Path("x")},
        {"exposure": (0.3, 0.3)},
        {"matrix": (1, 2.5, 3, 4, 5, 6, 7, 8, 9)},
        {"weights": {}},
        {"order": ()},
        {"spares": (Lens(), Lens(3.0))},
    ],
)
def test_what_fits_is_taken(values):
    camera = Camera("front", **values)
    assert all(getattr(camera, name) == value for name, value in values.items())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": 3}, "name is 3: it must be a string (what it is called)"),
        ({"name": None}, "name is None: it must be a string"),
        ({"width": 0}, "width is 0: it must be a whole number from 1 to 4096 (pixels)"),
        ({"width": 4097}, "width is 4097"),
        ({"width": 2.0}, "width is 2.0: it must be a whole number"),
        ({"width": True}, "width is True: it must be a whole number"),
        ({"width": "12"}, "width is '12'"),
        ({"gain": -0.1}, "gain is -0.1: it must be a number of at least 0 and below 16 (brightness)"),
        ({"gain": 16}, "gain is 16"),
        ({"gain": float("nan")}, "gain is nan"),
        ({"gain": float("inf")}, "gain is inf"),
        ({"gain": True}, "gain is True: it must be a number"),
        ({"gain": None}, "gain is None"),
        ({"gain": "much"}, "gain is 'much': it must be a number"),
        ({"gain": "1e-3"}, "'1e-3' is a string: YAML takes 1.0e-3 for a number, but not 1e-3"),
        ({"exposure": (0.1, "1e-1")}, "; '1e-1' is a string: YAML takes 1.0e-3"),
        ({"weights": {"r": 1.0, "g": "1e-1"}}, "; '1e-1' is a string: YAML takes 1.0e-3"),
        ({"flipped": 1}, "flipped is 1: it must be true or false"),
        ({"mode": "dusk"}, "mode is 'dusk': it must be a string, day | night (what it is set to)"),
        ({"bits": 12}, "bits is 12: it must be a whole number, 8 | 16"),
        ({"bits": 8.0}, "bits is 8.0"),
        ({"bus": "serial"}, "bus is 'serial': it must be usb | gige"),
        ({"folder": 3}, "folder is 3: it must be a path, or none (where images go)"),
        ({"folder": "x"}, "folder is 'x': it must be a path"),
        ({"exposure": (0.5, 0.1)}, "exposure is (0.5, 0.1): it must be two numbers [low, high] from 0 to 1"),
        ({"exposure": (0.5, 1.1)}, "exposure is (0.5, 1.1)"),
        ({"exposure": 0.5}, "exposure is 0.5"),
        ({"exposure": (0.5,)}, "exposure is (0.5,)"),
        ({"exposure": (0.5, float("nan"))}, "exposure is (0.5, nan)"),
        ({"exposure": ("a", "b")}, "exposure is ('a', 'b')"),
        ({"matrix": (1.0,) * 7}, "it must be a list of 6 or 9 numbers (row by row)"),
        ({"matrix": "123456"}, "matrix is '123456'"),
        ({"size": (1, 2, 3)}, "it must be a list of 2 whole numbers"),
        ({"size": (1, 2.0)}, "size is (1, 2.0)"),
        ({"size": [1, 2]}, "size is [1, 2]"),
        ({"order": ("r", "x")}, "it must be a list of strings, r | g | b"),
        ({"order": "r"}, "order is 'r'"),
        ({"weights": {"x": 1.0}}, "it must be numbers of at least 0 by name, r | g | b"),
        ({"weights": {"r": -1.0}}, "weights is {'r': -1.0}"),
        ({"weights": {"r": "1"}}, "weights is {'r': '1'}"),
        ({"weights": [0.5]}, "weights is [0.5]"),
        ({"lens": 50.0}, "lens is 50.0: it must be settings as 'name: value' (in front of it)"),
        ({"spares": Lens()}, "it must be a list of settings as 'name: value'"),
        ({"spares": (3,)}, "spares is (3,)"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_it_may_be_and_what_it_means(values, message):
    with pytest.raises(ValueError) as caught:
        Camera(**{"name": "front", **values})
    assert message in str(caught.value)


def test_settings_are_built_from_what_a_yaml_file_holds():
    values = {"name": "front", "folder": "out", "exposure": [0, 1], "lens": {"focal": 8}, "spares": [{"focal": 9}, {}]}
    camera = build(Camera, values)
    assert camera == Camera("front", folder=Path("out"), exposure=(0, 1), lens=Lens(8), spares=(Lens(9), Lens()))
    assert build(Camera, {"name": "front", "folder": None, "weights": {"g": 1}}).weights == {"g": 1}
    assert build(Camera, {"name": "none", "folder": "none"}) == Camera("none", folder=None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a", "colour": 1}, "unknown Camera setting 'colour': known are name, width, gain"),
        ({"name": "a", "widths": 1}, "unknown Camera setting 'widths': did you mean 'width'?"),
        ({"name": "a", 3: 1}, "unknown Camera setting '3'"),
        ({}, "Camera needs the setting 'name' (what it is called)"),
        (None, "Camera needs settings as 'name: value', not None"),
        ([1], "Camera needs settings as 'name: value', not [1]"),
        ({"name": "a", "lens": {"focal": 0}}, "lens: focal is 0: it must be a number above 0"),
        ({"name": "a", "lens": 3}, "lens is 3: it must be settings as 'name: value'"),
        ({"name": "a", "spares": [{}, {"zoom": 0}]}, "spares[1]: unknown Lens setting 'zoom'"),
        ({"name": "a", "spares": {"focal": 1}}, "spares is {'focal': 1}: it must be a list of settings"),
        ({"name": "a", "size": 3}, "size is 3"),
    ],
)
def test_what_a_yaml_file_must_not_hold_is_named_with_the_way_to_it(values, message):
    with pytest.raises(ValueError) as caught:
        build(Camera, values)
    assert message in str(caught.value)


def test_all_settings_are_listed_by_the_way_to_them():
    found = all_settings(Camera)
    assert [name for name in found if "." in name] == ["lens.focal", "spares[].focal"]
    assert found.keys() >= {field.name for field in fields(Camera)}
    assert found["lens.focal"].default == 50.0 and found["lens"].is_group and not found["lens.focal"].is_group


def test_settings_are_read_from_text():
    text = " name = front ,width=32,gain=2,flipped=1,bus=gige,folder=a/b, "
    expected = Camera("front", width=32, gain=2.0, flipped=True, bus="gige", folder=Path("a/b"))
    assert from_text(Camera, text, "camera") == expected
    assert from_text(Camera, "name=a;folder=none;flipped=FALSE", "camera", ";") == Camera("a")
    assert from_text(Lens, "", "lens") == Lens()
    assert read_text("topic=/a", [Setting("topic", str)], "bag") == {"topic": "/a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width", "'width' is not a camera setting: expected KEY=VALUE with a KEY of name, width"),
        ("colour=red", "'colour=red' is not a camera setting: expected KEY=VALUE with a KEY of name, width"),
        ("widths=3", "'widths=3' is not a camera setting: did you mean 'width'?"),
        ("lens=50", "'lens=50' is not a camera setting"),
        ("width=3.5", "width is '3.5': it must be a whole number from 1 to 4096"),
        ("width=", "width is '': it must be a whole number"),
        ("gain=loud", "gain is 'loud': it must be a number"),
        ("gain=nan", "gain is nan"),
        ("gain=17", "gain is 17.0"),
        ("flipped=maybe", "flipped is 'maybe': it must be true or false"),
        ("bus=serial", "bus is 'serial': it must be usb | gige"),
    ],
)
def test_text_that_cannot_be_meant_is_refused(text, message):
    with pytest.raises(ValueError) as caught:
        from_text(Camera, text, "camera")
    assert message in str(caught.value)


def test_a_former_name_is_refused_with_the_present_one():
    with pytest.raises(ValueError, match="unknown TrackerConfig setting 'calibration': it is now called 'box_correc"):
        build(TrackerConfig, {"calibration": 0.5})
    with pytest.raises(ValueError, match="'calibration=0.5' is not a tracker setting.*now called 'box_correction'"):
        from_text(TrackerConfig, "calibration=0.5", "tracker")
    assert suggestion("tracker.calibration", ["tracker.box_correction"]) == "it is now called 'tracker.box_correction'"
    assert present_name("calibration", settings_of(SimulatorConfig)) is None
    assert present_name("camera.calibration", ["tracker.box_correction"]) is None
    everything = {name for kind in (TrackerConfig, ConfidenceConfig, ThermalConfig) for name in settings_of(kind)}
    assert RENAMED["calibration"] in everything and not set(RENAMED) & everything


def test_a_source_with_types_of_its_own_is_taken_at_its_word():
    number, numbers = (Setting(name, kind, low=0, high=9, exact=True) for name, kind in
                       (("slop", float), ("offset", tuple[float, float])))  # fmt: skip
    assert number.fault(1) == "is 1: it must be a number with a decimal point from 0 to 9"
    assert number.fault(1.0) is numbers.fault([1.0, 2.0]) is None
    assert "a list of 2 numbers with a decimal point from 0 to 9" in numbers.fault((1.0, 2.0))
    assert numbers.fault([1.0, 2]) and numbers.fault([1.0])


@pytest.mark.parametrize("kind", [TrackerConfig, ConfidenceConfig, ThermalConfig, SimulatorConfig, BagSettings])
def test_every_setting_is_described_and_takes_its_default(kind):
    for name, stated in settings_of(kind).items():
        assert stated.fault(stated.default) is None, name
        assert stated.is_group or len(stated.description) > 5, name
    assert len(settings_of(kind)) == len(fields(kind))


@pytest.mark.parametrize("kind", [TrackerConfig, ConfidenceConfig, ThermalConfig, SimulatorConfig])
def test_no_number_takes_what_is_none(kind):
    for name, stated in settings_of(kind).items():
        if isinstance(stated.default, (int, float)):
            for value in (float("nan"), float("inf"), "1", None, [1]):
                with pytest.raises(ValueError, match=f"{name} is "):
                    kind(**{name: value})
