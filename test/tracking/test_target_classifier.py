"""The classifier tells the target from what looks alike to the network, and stays with it."""

import numpy as np
import pytest
from look_alikes import OTHER, SIZE, TARGET, features, views

from ckd_ros.tracking.target_classifier import TargetClassifier, View


@pytest.fixture
def classifier():
    return TargetClassifier(views())


def response(classifier, shown, position):
    return classifier.respond(shown, *position[:, None])[0]


def test_the_target_answers_more_than_its_look_alike_wherever_they_are(classifier):
    for target, other in ((TARGET, OTHER), (OTHER, TARGET)):
        shown = features(target, other, seed=20)
        assert response(classifier, shown, target) > 0.5 > response(classifier, shown, other) + 0.2


def test_the_first_image_keeps_it_from_drifting_to_the_look_alike(classifier):
    before = response(classifier, features(TARGET, OTHER, seed=500), TARGET)
    for seed in range(100, 300):
        classifier.learn(View(features(TARGET, OTHER, seed), OTHER, SIZE), 1.0)
    shown = features(TARGET, OTHER, seed=500)
    assert before > response(classifier, shown, TARGET) > response(classifier, shown, OTHER)


def test_a_frame_without_weight_teaches_nothing(classifier):
    shown = features(TARGET, OTHER, seed=20)
    before = response(classifier, shown, TARGET)
    classifier.learn(View(features(TARGET, OTHER, seed=21), OTHER, SIZE), 0.0)
    assert response(classifier, shown, TARGET) == pytest.approx(before)


def test_an_absent_camera_counts_as_its_mean(classifier):
    colour, thermal = features(TARGET, OTHER, seed=20)
    mean = np.mean([view.features[1] for view in views()], axis=(0, 2, 3))
    as_mean = np.broadcast_to(mean[:, None, None], thermal.shape).astype(np.float32)
    absent = response(classifier, (colour, None), TARGET)
    assert absent == pytest.approx(response(classifier, (colour, as_mean), TARGET), abs=1e-4)
    assert absent != pytest.approx(response(classifier, (colour, thermal), TARGET), abs=1e-2)


def test_the_target_resembles_itself_more_than_its_look_alike_does(classifier):
    shown = features(TARGET, OTHER, seed=20)
    assert classifier.similarity(views()[0].features, TARGET) == pytest.approx(1.0)
    assert classifier.similarity(shown, TARGET) > classifier.similarity(shown, OTHER) + 0.1
    alone = classifier.similarity((shown[0], None), TARGET)  # the absent one does not count
    assert alone > 0.8
