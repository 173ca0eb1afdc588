"""What makes a sequence hard: read from `attributes.csv`, or seen in what the simulator shows."""

import numpy as np
import pytest

from ckd_ros.datasets.attributes import read_attributes
from ckd_ros.datasets.benchmarks import open_dataset
from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.simulator import SimulatedSequence, SimulatorConfig

EASY = SimulatorConfig(
    frames=40, occlusion=0, night=0, glare=0, crossover=0, distractors=0, motion=0, scale=0, camera_motion=0
)


def simulated(**settings) -> frozenset[str]:
    return SimulatedSequence(SimulatorConfig(**{**vars(EASY), **settings})).attributes


def test_lines_are_read_and_bad_ones_named(tmp_path):
    path = tmp_path / "attributes.csv"
    path.write_text("sequence,attributes\n# by hand\na, rain ,fast\n\nb\nc,,\nx,rain\na,dark\n,rain\n")
    found, faults = read_attributes(path, {"a", "b", "c"})
    assert found == {"a": {"rain", "fast", "dark"}}
    assert set(faults) == {f"attributes.csv, line {number}" for number in (5, 6, 7, 9)}
    assert "'x' is not a sequence" in faults["attributes.csv, line 7"]
    assert read_attributes(path)[0]["x"] == {"rain"}


def test_the_sequences_of_a_folder_have_the_attributes_of_its_file(tmp_path):
    small = SimulatorConfig(frames=2, width=64, height=48, thermal_width=64, thermal_height=48, target_size=12)
    for name in ("a", "b"):
        write_lasher(SimulatedSequence(small), tmp_path / name)
    (tmp_path / "attributes.csv").write_text("a,rain\nb\n")
    data = open_dataset("folder", tmp_path)
    assert [sequence.attributes for sequence in data] == [{"rain"}, set()]
    assert list(data.faults) == ["attributes.csv, line 2"]


def test_the_simulator_says_nothing_of_an_easy_sequence():
    assert simulated() == frozenset()


@pytest.mark.parametrize("effect", ["night", "glare", "crossover"])
def test_the_simulator_says_what_it_shows(effect):
    assert simulated(**{effect: 0.8}) == {effect}
    assert simulated(**{effect: 0.1}) == frozenset()  # too weak to be one
    assert simulated(**{effect: 0.8}, coverage=0.01) == frozenset()  # too short


def test_occlusion_is_an_attribute_where_an_occluder_really_comes_across():
    shown, hidden = [], []
    for seed in range(12):
        sequence = SimulatedSequence(SimulatorConfig(**{**vars(EASY), "occlusion": 1.0, "seed": seed, "frames": 200}))
        shown.append("occlusion" in sequence.attributes)
        hidden.append(bool(np.isnan(sequence.boxes).any()))
    assert any(shown)
    assert all(s for s, h in zip(shown, hidden, strict=True) if h)


def test_look_alikes_motion_and_scale_are_attributes():
    assert simulated(distractors=30) == {"distractors"}
    assert "motion" in simulated(motion=1.0, rate=5.0, seed=3)
    assert "scale" in set().union(*(simulated(scale=1.0, seed=seed, frames=300) for seed in range(8)))


def test_the_data_set_of_simulations_knows_its_attributes_by_modality():
    both, rgb, thermal = (open_dataset("simulator", None, modality=side)[0] for side in ("both", "rgb", "thermal"))
    assert {"night", "glare", "crossover"} <= both.attributes
    assert rgb.attributes == both.attributes - {"crossover"}
    assert thermal.attributes == both.attributes - {"night", "glare"}
