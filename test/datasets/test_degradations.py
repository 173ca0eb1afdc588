import numpy as np
import pytest

from ckd_ros.datasets import degradations


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (120, 160, 3), dtype=np.uint8)


def test_night_is_darker_the_stronger_and_noisier_than_before(image):
    rng = np.random.default_rng(1)
    means = [degradations.night(image, s, rng).mean() for s in (0.2, 0.6, 1.0)]
    assert image.mean() > means[0] > means[1] > means[2]
    assert means[2] < 25
    flat = np.full_like(image, 120)
    assert degradations.night(flat, 1.0, rng)[..., 0].std() > 0.5


def test_glare_blinds_where_the_light_is(image):
    blinded = degradations.glare(image, 1.0, (0.25, 0.5))
    assert blinded[60, 40].min() > 220
    far = np.s_[:, 140:]
    assert blinded[far].std() < image[far].std()


def test_drifting_smoke_veils_the_picture_unevenly_and_drifts(image):
    veiled = degradations.drifting_smoke(image, 1.0, 0.0)
    assert veiled.std() < 0.6 * image.std() and veiled.mean() > image.mean()
    flat = np.full_like(image, 100)
    assert degradations.drifting_smoke(flat, 1.0, 0.0).std() > 5
    assert not np.array_equal(degradations.drifting_smoke(flat, 1.0, 0.3), degradations.drifting_smoke(flat, 1.0, 0.0))
    np.testing.assert_array_equal(degradations.drifting_smoke(image, 0.0, 0.0), image)


def test_noise_has_the_strength_it_says_and_differs_each_time(image):
    flat = np.full((200, 200), 128, np.uint8)
    rng = np.random.default_rng(0)
    first, second = (degradations.noise(flat, 0.5, rng) for _ in range(2))
    assert first.astype(float).std() == pytest.approx(15, rel=0.1)
    assert not np.array_equal(first, second)


def test_noise_covers_images_larger_than_its_tile():
    assert degradations.noise(np.full((1200, 1500), 128, np.uint8), 1.0, np.random.default_rng(0)).std() > 20


def test_gain_stretches_about_its_pivot():
    assert degradations.gain(np.array([[100, 128, 140]], np.uint8), 2.0, 5.0, 128).tolist() == [[77, 133, 157]]


def test_blur_smears_along_its_direction_alone():
    image = np.zeros((41, 41), np.uint8)
    image[20, 20] = 255
    rows, columns = np.nonzero(degradations.blur(image, 9, 0.0))
    assert set(rows) == {20} and len(columns) == 9


@pytest.mark.parametrize("effect", ["night", "glare", "noise"])
def test_strength_zero_changes_next_to_nothing_and_the_input_is_left_alone(image, effect):
    before = image.copy()
    last = (0.5, 0.5) if effect == "glare" else np.random.default_rng(0)
    after = getattr(degradations, effect)(image, 0.0, last)
    assert np.abs(after.astype(int) - image).max() <= 1
    np.testing.assert_array_equal(image, before)


def test_smoke_takes_contrast_away_until_nothing_is_seen(image):
    contrast = [
        np.mean([degradations.smoke(image, s, np.random.default_rng(seed)).std(axis=2).mean() for seed in range(8)])
        for s in (0.0, 0.3, 0.6, 1.0)
    ]
    assert contrast == sorted(contrast, reverse=True)
    assert contrast[0] == pytest.approx(image.std(axis=2).mean(), rel=0.01) and contrast[-1] < 0.2 * contrast[0]


def test_smoke_is_uneven():
    board = np.zeros((128, 128, 3), np.uint8)
    board[::2] = 255
    local = [
        [s[y : y + 32, x : x + 32].std() for y in (0, 96) for x in (0, 96)]
        for s in (degradations.smoke(board, 0.5, np.random.default_rng(seed)) for seed in range(6))
    ]
    assert np.mean([max(one) / min(one) for one in local]) > 1.3


def test_a_ghost_is_a_faint_copy_beside_and_defocus_spreads_evenly():
    image = np.zeros((41, 41), np.uint8)
    image[20, 20] = 200
    double = degradations.ghost(image, 0.25, (6, -3))
    assert double[20, 20] == 150 and double[17, 26] == 50 and np.count_nonzero(double) == 2
    soft = degradations.defocus(np.where(image > 0, 255, 0).astype(np.uint8), 1.0)
    assert soft[20, 21] == soft[19, 20] > 0 and soft[20, 20] < 60
    assert degradations.defocus(image, 0.0) is image


def test_a_black_camera_is_black_but_a_little_noise(image):
    images = [degradations.black(image, np.random.default_rng(seed)) for seed in range(8)]
    assert max(one.mean() for one in images) < 15 and len({float(one.mean()) for one in images}) > 4


def test_a_coarser_image_keeps_its_shape_and_level_but_no_detail(image):
    coarse = degradations.coarsen(image, 0.2)
    assert coarse.shape == image.shape and coarse.mean() == pytest.approx(image.mean(), abs=2)
    assert coarse.std() < 0.4 * image.std()
    assert degradations.coarsen(image, 1.2) is image
