"""Where a target would be by now."""

import numpy as np

from ckd_ros.tracking.certain_place import CertainPlace


def test_it_goes_on_from_image_to_image_for_a_third_of_a_second():
    place = CertainPlace(np.array([100.0, 50.0, 40.0, 20.0]), np.array([3.0, -1.0]))
    for images in range(2, 12):
        place.go_on(1.0)
        np.testing.assert_allclose(place.now, [100 + 3 * images, 50 - images, 40, 20])
    place.go_on(1.0)
    assert place.now is None


def test_how_long_it_holds_is_a_matter_of_time_not_of_images():
    slow = CertainPlace(np.array([100.0, 50.0, 40.0, 20.0]), np.array([9.0, 0.0]))
    for _ in range(3):
        slow.go_on(30 / 9)
    np.testing.assert_allclose(slow.now[0], 100 + 4 * 9)
    slow.go_on(30 / 9)
    assert slow.now is None
