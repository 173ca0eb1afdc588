import gzip

import numpy as np
import pytest
from archives import write_tar

from ckd_ros.datasets.tar_images import LabelledImages, MaskedImages

BOXES = "name,class,x,y,w,h\n" + "".join(
    f"a_{i}.png,Person,{10 + i},20,8,16\na_{i}.png,Car,40,20,30,20\na_{i}.png,Person,80,50,9,18\n" for i in range(4)
)


def thermal(level: int) -> np.ndarray:
    return np.full((100, 120), level, np.uint8)


@pytest.fixture
def labelled(tmp_path):
    images = {f"tir/a_{i}.png": thermal(10 * i) for i in range(4)}
    return write_tar(tmp_path / "labelled.tar", {**images, "boxes.csv": BOXES})


def test_labelled_objects_are_read_with_their_neighbours_of_the_same_class(labelled):
    images = LabelledImages(labelled)
    assert len(images.objects) == 12 and images.objects[0] == ("a_0", 0)
    assert images.image("a_3").shape == (100, 120) and images.image("a_3")[0, 0] == 30
    assert images.boxes("a_2").tolist() == [[12, 20, 8, 16], [40, 20, 30, 20], [80, 50, 9, 18]]
    assert images.same_class("a_1", 0).tolist() == [2] and images.same_class("a_1", 1).tolist() == []


def test_the_last_quarter_is_kept_out_of_training(labelled):
    train, kept = LabelledImages(labelled, "train"), LabelledImages(labelled, "held_out")
    assert {name for name, _ in train.objects} == {"a_0", "a_1", "a_2"}
    assert {name for name, _ in kept.objects} == {"a_3"}
    with pytest.raises(ValueError, match="subset 'test' is unknown"):
        LabelledImages(labelled, "test")


def test_an_archive_packed_on_another_system_is_read_without_what_that_left(tmp_path):
    files = {"tir/a_0.png": thermal(0), "tir/._a_0.png": "stray", "__MACOSX/tir/a_9.png": "stray", "tir/.DS_Store": ""}
    path = write_tar(tmp_path / "mac.tar", {**files, "boxes.csv": "\ufeffname,class,x,y,w,h\na_0.png,Car,1,2,3,4\n"})
    images = LabelledImages(path)
    assert images.objects == [("a_0", 0)] and images.boxes("a_0").tolist() == [[1, 2, 3, 4]]


def test_faulty_labels_and_archives_are_named(tmp_path):
    bad = write_tar(
        tmp_path / "bad.tar", {"tir/a_0.png": thermal(1), "boxes.csv": "name,class,x,y,w,h\na_0.png,Car,1,x,3,4\n"}
    )
    with pytest.raises(ValueError, match=r"boxes.csv in .*bad.tar', line 2"):
        LabelledImages(bad)
    with pytest.raises(FileNotFoundError, match="no 'boxes.csv'"):
        LabelledImages(write_tar(tmp_path / "none.tar", {"tir/a_0.png": thermal(1)}))
    empty = {"tir/a_0.png": thermal(1), "boxes.csv": "name,class,x,y,w,h\na_0.png,Car,1,2,0,4\n"}
    with pytest.raises(FileNotFoundError, match="no all image tir/NAME.jpg with a box"):
        LabelledImages(write_tar(tmp_path / "empty.tar", empty))
    (tmp_path / "packed.tar").write_bytes(gzip.compress(bad.read_bytes()))
    with pytest.raises(ValueError, match="not an uncompressed tar archive"):
        MaskedImages(tmp_path / "packed.tar")


def test_a_cutout_is_the_largest_object_and_nothing_around_it(tmp_path):
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[..., 0] = np.arange(60)
    mask = np.zeros((40, 60), np.uint8)
    mask[5:25, 10:40] = 255
    mask[30:34, 50:54] = 255
    path = write_tar(tmp_path / "masks.tar", {"rgb/1.png": rgb, "mask/1.png": mask, "rgb/2.png": rgb})
    images = MaskedImages(path)
    assert images.names == ["1"]
    cut, alpha = images.cutout("1")
    assert cut.shape == (20, 30, 3) and cut[0, 0, 0] == 10 and (alpha == 255).all()


def test_an_empty_mask_is_named(tmp_path):
    blank = np.zeros((10, 10), np.uint8)
    path = write_tar(tmp_path / "masks.tar", {"rgb/7.png": np.zeros((10, 10, 3), np.uint8), "mask/7.png": blank})
    with pytest.raises(ValueError, match="mask '7' in .* is empty"):
        MaskedImages(path).cutout("7")
