import cv2
import numpy as np
import pytest

from ckd_ros.datasets.composed import DEGRADATIONS, composed_sequences, look_alike_sequences


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for modality, channels in (("rgb", 3), ("tir", 1)):
        (folder / modality).mkdir()
        for number in range(8):
            image = cv2.resize(rng.integers(0, 255, (24, 32, channels), dtype=np.uint8), (480, 360))
            cv2.imwrite(str(folder / modality / f"a{number}.png"), image)
    return folder


def test_every_degradation_gets_its_number_of_sequences_of_the_same_scenes(pairs):
    found = list(composed_sequences(pairs, each=2, frames=3))
    assert [name for name, _ in found] == [name for name in DEGRADATIONS for _ in range(2)]
    clean = [sequence for name, sequence in found if name == "clean"]
    night = [sequence for name, sequence in found if name == "night"]
    for a, b in zip(clean, night, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        bright, dark = (list(s.frames())[2].rgb.data.mean() for s in (a, b))
        assert dark < 0.35 * bright


def test_only_pairs_kept_out_of_training_are_used(pairs):
    assert all(sequence.config.subset == "held_out" for _, sequence in composed_sequences(pairs, each=1, frames=2))


def test_sequences_with_look_alikes_differ_in_light_and_size(pairs):
    found = list(look_alike_sequences(pairs, None, count=5, frames=40))
    assert {sequence.other_boxes.shape[1] for sequence in found} == {3, 4}
    shown = frozenset().union(*(sequence.attributes for sequence in found))
    assert {"look_alikes", "night", "smoke", "crossover"} <= shown
    assert len({sequence.config.seed for sequence in found}) == 5
    assert all(sequence.config.subset == "held_out" for sequence in found)
