import numpy as np
import pytest

from ckd_ros.datasets.scene import Scene, Sprite, Texture, pose
from ckd_ros.datasets.textures import dead_leaves, make_target, silhouette
from ckd_ros.geometry import CropWindow


@pytest.fixture(scope="module")
def background() -> Texture:
    return Texture(*dead_leaves(np.random.default_rng(0), 200, 160, 30))


def square(side: int = 40) -> Texture:
    white = np.full((side, side), 255, np.uint8)
    return Texture(np.dstack([white] * 3), white, white)


@pytest.mark.parametrize("seed", range(12))
def test_silhouette_touches_all_four_sides(seed):
    mask = silhouette(np.random.default_rng(seed), 60, 40) > 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == pytest.approx((0, 39, 0, 59), abs=1)


def test_the_truth_box_is_what_is_drawn(background):
    rng = np.random.default_rng(3)
    texture = Texture(*make_target(rng, 60, 40))
    for angle in (0.0, 0.4):
        sprite = Sprite(texture, pose(texture, 100, 80, 70, 50, angle))
        empty = Scene(background).render_rgb(np.eye(3), 200, 160).astype(int)
        drawn = Scene(background, (sprite,)).render_rgb(np.eye(3), 200, 160).astype(int)
        rows, columns = np.nonzero(np.abs(drawn - empty).max(2) > 6)
        x, y, w, h = sprite.box(np.eye(3))
        assert columns.min() == pytest.approx(x, abs=2.5) and columns.max() + 1 == pytest.approx(x + w, abs=2.5)
        assert rows.min() == pytest.approx(y, abs=2.5) and rows.max() + 1 == pytest.approx(y + h, abs=2.5)


def test_a_crop_shows_what_the_whole_image_shows_there(background):
    sprite = Sprite(square(), pose(square(), 100, 80, 40, 40))
    scene = Scene(background, (sprite,))
    whole = scene.render_rgb(np.eye(3), 200, 160)
    window = CropWindow(60, 40, 80, 80)
    crop = scene.render_rgb(window.matrix(80), 80, 80)
    np.testing.assert_array_equal(crop, whole[40:120, 60:140])


def test_small_drawings_are_not_aliased():
    stripes = np.zeros((256, 256), np.uint8)
    stripes[:, ::2] = 255
    texture = Texture(np.dstack([stripes] * 3), stripes)
    image = Scene(texture).render_thermal(np.diag([1 / 8, 1 / 8, 1.0]), 32, 32)
    assert np.abs(image.astype(int) - 127).max() <= 2


def test_parallax_moves_the_sprite_in_the_thermal_image_alone():
    sprite = Sprite(square(), pose(square(), 50, 50, 20, 20), thermal_shift=(7.0, -3.0))
    np.testing.assert_allclose(sprite.box(np.eye(3)), [40, 40, 20, 20])
    np.testing.assert_allclose(sprite.box(np.eye(3), thermal=True), [47, 37, 20, 20])


def test_crossover_hides_the_target_from_the_thermal_camera_alone():
    grey = np.full((100, 100), 90, np.uint8)
    background = Texture(np.dstack([grey] * 3), grey)
    hidden = Scene(background, (Sprite(square(), pose(square(), 50, 50, 20, 20), warmth=(0.0, 0.0)),))
    assert np.abs(hidden.render_thermal(np.eye(3), 100, 100).astype(int) - 90).max() <= 1
    assert hidden.render_rgb(np.eye(3), 100, 100).max() == 255


def test_colour_and_thermal_of_one_texture_must_have_one_size():
    with pytest.raises(ValueError, match="one size"):
        Texture(np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4), np.uint8))
