"""Image files as cameras and people leave them: both cameras' alike, whole or said to be missing."""

import cv2
import numpy as np
import pytest
from archives import write_tar
from recorded import colour, turned, warm

from ckd_ros.colour import to_rgb
from ckd_ros.datasets.images import read_image
from ckd_ros.datasets.lasher import write_lasher
from ckd_ros.datasets.pairs import PairLibrary
from ckd_ros.datasets.sources import open_source
from ckd_ros.datasets.tar_images import TarImages

NOISE = np.random.default_rng(0).integers(0, 255, (64, 96), np.uint8)


def jpeg(image, *options):
    return cv2.imencode(".jpg", image, list(options))[1].tobytes()


def sequence_folder(folder, visible, infrared):
    """A sequence of one frame; of the files' contents by name."""
    for name, files in (("visible", visible), ("infrared", infrared)):
        (folder / name).mkdir(parents=True)
        for file, content in files.items():
            (folder / name / file).write_bytes(content)
    return folder


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_both_cameras_are_turned_as_they_were_held(tmp_path, orientation, turns):
    visible, infrared = turned(jpeg(colour(1)[..., ::-1]), orientation), turned(jpeg(warm(1)), orientation)
    sequence = open_source(str(sequence_folder(tmp_path, {"1.jpg": visible}, {"1.jpg": infrared})))
    pair = sequence.pair(0)
    expected, thermal = np.rot90(colour(1), turns), np.rot90(warm(1), turns)
    assert pair.thermal.data.shape == thermal.shape
    assert np.abs(to_rgb(pair.rgb.data, pair.rgb.encoding).astype(float) - expected).mean() < 6
    assert np.abs(pair.thermal.data.astype(float) - thermal).mean() < 6


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("thermal", [False, True])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_a_cut_jpeg_is_named(tmp_path, orientation, thermal, end):
    whole = turned(jpeg(NOISE), orientation)
    (tmp_path / "a.jpg").write_bytes(whole + bytes(500))
    assert read_image(tmp_path / "a.jpg", thermal).data.shape[:2] == ((64, 96) if orientation == 1 else (96, 64))
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2] + end)
    with pytest.raises(ValueError, match="a.jpg is (damaged|not an image)"):
        read_image(tmp_path / "a.jpg", thermal)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".pgm", ".webp"])
@pytest.mark.parametrize("share", [0, 0.6, 0.98])
def test_other_cut_files_are_named(tmp_path, suffix, share):
    content = cv2.imencode(suffix, NOISE)[1].tobytes()
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    assert read_image(file, thermal=True).data.shape == NOISE.shape
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=f"a{suffix} is not an image"):
        read_image(file, thermal=True)


@pytest.mark.parametrize("thermal", [False, True])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, np.int16, np.int32, np.uint32])
def test_numbers_that_are_no_pixels_are_named_with_the_remedy(tmp_path, kind, thermal):
    try:
        cv2.imwrite(str(tmp_path / "celsius.tif"), np.full((8, 8), 21, kind))
        written = cv2.imread(str(tmp_path / "celsius.tif"), cv2.IMREAD_UNCHANGED).dtype
    except cv2.error:
        written = None
    if written != kind:
        pytest.skip(f"OpenCV {cv2.__version__} does not write {np.dtype(kind)}")
    with pytest.raises(
        ValueError, match=f"celsius.tif: its pixels are {np.dtype(kind)}: .*kelvins times 100 in a 16-bit"
    ):
        read_image(tmp_path / "celsius.tif", thermal)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_sixteen_bits_stay_sixteen(tmp_path, suffix):
    counts = warm(1, np.uint16)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), counts)
    image = read_image(tmp_path / f"a{suffix}", thermal=True)
    assert image.encoding == "mono16"
    np.testing.assert_array_equal(image.data, counts)


def test_sixteen_bit_grey_stored_as_colour_is_grey(tmp_path):
    counts = warm(1, np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), np.repeat(counts[..., None], 3, axis=2))
    image = read_image(tmp_path / "a.png", thermal=True)
    assert image.encoding == "mono16"
    np.testing.assert_array_equal(image.data, counts)


def test_sixteen_bits_of_a_colour_camera_become_eight(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), colour(1)[..., ::-1].astype(np.uint16) * 257)
    for thermal in (False, True):
        image = read_image(tmp_path / "a.png", thermal)
        np.testing.assert_array_equal(to_rgb(image.data, image.encoding), colour(1))
    # counts of a camera that uses 12 of the 16 bits: the upper 8 would be nearly black
    cv2.imwrite(str(tmp_path / "b.png"), (NOISE.astype(np.uint16) << 4))
    assert read_image(tmp_path / "b.png", thermal=False).data.max() == 255


# Folders


@pytest.mark.parametrize(
    ("files", "words"),
    [({"000001.raw": b"", "000002.raw": b""}, "2 other files, such as 000001.raw: convert them"), ({}, "unpack it")],
)
def test_a_camera_whose_files_are_not_read_is_not_left_out_silently(tmp_path, files, words):
    folder = sequence_folder(tmp_path, {"000001.jpg": jpeg(NOISE)}, files)
    with pytest.raises(ValueError, match=f"infrared has no images that are read .*{words}.*modality of the other"):
        open_source(str(folder))
    assert len(open_source(str(folder), modality="rgb")) == 1


def test_a_written_sequence_of_one_camera_reads_back(tmp_path):
    folder = sequence_folder(tmp_path / "one", {"1.jpg": jpeg(NOISE), "2.jpg": jpeg(NOISE)}, {})
    write_lasher(open_source(str(folder), modality="rgb"), tmp_path / "out")
    sequence = open_source(str(tmp_path / "out"))
    assert sequence.modality == "rgb" and len(sequence) == 2


# Images for training


def test_a_cut_image_in_an_archive_is_named(tmp_path):
    whole = jpeg(NOISE)
    path = write_tar(tmp_path / "a.tar", {"tir/cut.jpg": whole[: len(whole) // 2], "tir/whole.jpg": whole})
    images = TarImages(path)
    assert images.image("tir/whole.jpg", cv2.IMREAD_GRAYSCALE).shape == NOISE.shape
    with pytest.raises(ValueError, match="'tir/cut.jpg' in '.*a.tar' is (damaged|not an image).*; replace the archive"):
        images.image("tir/cut.jpg", cv2.IMREAD_GRAYSCALE)


def test_pairs_of_sixteen_bits_keep_their_contrast(tmp_path):
    for name, image in (("rgb", colour(1)), ("tir", 8000 + NOISE.astype(np.uint16))):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), image)
    thermal = PairLibrary(tmp_path, width=96).background(0).thermal[0]
    assert thermal.max() - thermal.min() == 255


def test_hidden_files_beside_pairs_are_passed_over(tmp_path):
    for name in ("rgb", "tir"):
        (tmp_path / name).mkdir()
        for file in ("a.jpg", "._a.jpg"):
            (tmp_path / name / file).write_bytes(jpeg(NOISE) if file == "a.jpg" else b"of another system")
    assert PairLibrary(tmp_path).names == ["a"]


def test_a_cut_image_of_a_pair_is_named(tmp_path):
    whole = jpeg(NOISE)
    for name, content in (("rgb", whole), ("tir", whole[: len(whole) // 2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match="tir/a.jpg is (damaged|not an image)"):
        PairLibrary(tmp_path).background(0)
