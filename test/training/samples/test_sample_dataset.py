import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from ckd_ros.geometry import crop_window
from ckd_ros.network.presets import preset
from ckd_ros.training.samples.config import SampleConfig
from ckd_ros.training.samples.cropping import Cropper
from ckd_ros.training.samples.dataset import SampleDataset

NETWORK = preset("tinyvit")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few registered pairs and one thermal video with its boxes, as files."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for folder, channels in (("rgb", 3), ("tir", 1)):
        (root / "pairs" / folder).mkdir(parents=True)
        for name in range(4):
            image = cv2.resize(rng.integers(0, 255, (24, 32, channels), dtype=np.uint8), (480, 360))
            cv2.imwrite(str(root / "pairs" / folder / f"a{name}.png"), image)
    (root / "videos").mkdir()
    for name in range(4):
        video = cv2.VideoWriter(str(root / f"videos/V_{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 30, (160, 120))
        rows = ["x,y,w,h"]
        for t in range(24):
            frame = np.full((120, 160, 3), 40, np.uint8)
            frame[50:62, 40 + t : 60 + t] = 220
            video.write(frame)
            rows.append("nan,nan,nan,nan" if t == 8 else f"{40 + t},50,20,12")
        video.release()
        (root / f"videos/V_{name}.csv").write_text("\n".join(rows))
    return root


def make(data, network=NETWORK, **weights) -> SampleDataset:
    config = SampleConfig(
        pairs=data / "pairs", thermal_videos=data / "videos", cache=data / "cache", weights=weights, dropped=0.0
    )
    return SampleDataset(config, network, seed=3, length=10_000)


SOURCES = ["pasted", "procedural", "in_place", "thermal_video"]


@pytest.mark.parametrize("source", SOURCES)
def test_shapes_and_boxes(data, source):
    samples = make(data, **{source: 1.0})
    for index in range(40):
        sample = samples[index]
        assert sample["template_rgb"].shape == (64, 64, 3) and sample["search_rgb"].shape == (128, 128, 3)
        assert sample["template_tir"].shape == (64, 64) and sample["search_tir"].shape == (128, 128)
        x, y, w, h = sample["template_box"]
        assert (x + w / 2, y + h / 2) == pytest.approx((0.5, 0.5), abs=0.08)
        assert np.sqrt(w * h) == pytest.approx(0.5, rel=0.15)
        if sample["positive"]:
            cx, cy = sample["box"][:2] + sample["box"][2:] / 2
            assert 0 < cx < 1 and 0 < cy < 1


@pytest.mark.parametrize("source", SOURCES)
def test_samples_of_a_siamese_network_are_stretched_to_the_box(data, source):
    """The template's box is a square of the size that the factor asks for; the search region's varies about its own."""
    samples, sides = make(data, preset("tiny"), **{source: 1.0}), []
    for index in range(40):
        sample = samples[index]
        assert sample["template_rgb"].shape == (128, 128, 3) and sample["search_tir"].shape == (224, 224)
        x, y, w, h = sample["template_box"]
        assert (x + w / 2, y + h / 2) == pytest.approx((0.5, 0.5), abs=0.08)
        assert (w, h) == pytest.approx((1 / 1.4, 1 / 1.4), rel=0.1)
        if sample["positive"]:
            sides.append(sample["box"][2:])
    assert np.exp(np.mean(np.log(sides), axis=0)) == pytest.approx([1 / 4.375] * 2, rel=0.35)


def test_outside_of_the_image_a_siamese_network_sees_grey(data):
    cropper = Cropper(SampleConfig(weights={"procedural": 1.0}), preset("tiny"))
    for image, grey in ((np.full((40, 60, 3), 250, np.uint8), [114] * 3), (np.full((40, 60), 250, np.uint8), 114)):
        crop = cropper.cut(image, crop_window([40.0, 5.0, 40.0, 20.0], 2.0, True).matrix(32), 32)
        assert np.array_equal(crop[0, 0], grey) and np.array_equal(crop[-1, -1], grey)
        assert np.all(crop[12:20, 4:12] == 250)


def test_a_search_window_of_a_siamese_network_keeps_about_the_boxs_shape():
    cropper, rng, box = Cropper(SampleConfig(), preset("tiny")), np.random.default_rng(0), np.array([50.0, 50, 80, 20])
    shapes = [window.width / window.height for window in (cropper.search_window(rng, box) for _ in range(200))]
    assert np.exp(np.mean(np.log(shapes))) == pytest.approx(4.0, rel=0.05) and np.std(shapes) > 0.1
    square = Cropper(SampleConfig(), NETWORK).search_window(rng, box)
    assert square.width == square.height


def test_a_sample_depends_on_seed_and_index_alone(data):
    weights = {source: 1.0 for source in SOURCES}
    first, second = make(data, **weights), make(data, **weights)
    second[7]  # what was drawn before must not matter
    for name, value in first[5].items():
        np.testing.assert_array_equal(value, second[5][name])
    assert any(not np.array_equal(first[5][n], first[6][n]) for n in ("search_rgb", "search_tir"))


def test_the_box_lies_on_the_target_of_a_video(data):
    samples = make(data, thermal_video=1.0)
    checked = 0
    for index in range(60):
        sample = samples[index]
        assert sample["present"].tolist() == [False, True] and not sample["search_rgb"].any()
        if sample["positive"]:
            image = sample["search_tir"].astype(float)
            x, y, w, h = sample["box"] * 128
            inside = image[max(0, int(y + 0.25 * h)) : int(y + 0.75 * h), max(0, int(x + 0.25 * w)) : int(x + 0.75 * w)]
            if inside.size:
                checked += abs(inside.mean() - np.median(image)) > 25
    assert checked > 35


def test_negatives_come_in_their_share(data):
    samples = make(data, procedural=1.0)
    share = np.mean([not samples[i]["positive"] for i in range(400)])
    assert 0.02 < share < 0.09


def test_a_dropped_modality_is_marked_and_black(data):
    config = SampleConfig(pairs=data / "pairs", cache=data / "cache", weights={"in_place": 1.0}, dropped=0.5)
    samples = SampleDataset(config, NETWORK, seed=0, length=100)
    for index in range(20):
        present = samples[index]["present"]
        assert present.sum() == 1
        gone = "tir" if present[0] else "rgb"
        assert not samples[index][f"template_{gone}"].any() and not samples[index][f"search_{gone}"].any()


def test_a_source_that_has_a_share_but_nothing_to_be_made_from_is_named(data, caplog):
    make(data, pasted=0.5, thermal_video=0.25, crops=0.5, visible_video=0.25, cutouts=0.0)
    assert "no samples of crops, visible_video: what they are made from is not set" in caplog.text


def test_unknown_sources_are_named(data):
    with pytest.raises(ValueError, match="magic"):
        make(data, magic=1.0)
