"""A JPEG is told from one of which a part is missing, whatever stands behind it."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ckd_ros import jpeg

RNG = np.random.default_rng(0)


def picture(height=120, width=200):
    noise = RNG.integers(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    return np.clip(smooth + RNG.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def encoded(image, **options):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "jpeg", **options)
    return out.getvalue()


KINDS = {
    "4:2:0": (picture(), {"quality": 80}),
    "4:4:4": (picture(), {"quality": 95, "subsampling": 0}),
    "odd size": (picture(123, 201), {"quality": 60}),
    "one block": (picture(7, 5), {"quality": 90}),
    "grey": (picture()[..., 0], {"quality": 80}),
    "restart markers": (picture(), {"quality": 80, "restart_marker_rows": 1}),
    "grey with restart markers": (picture()[..., 0], {"quality": 80, "restart_marker_blocks": 7}),
    "progressive": (picture(), {"quality": 80, "progressive": True}),
    "grey progressive": (picture()[..., 0], {"quality": 80, "progressive": True}),
    "mid-grey": (np.full((64, 64, 3), 128, np.uint8), {"quality": 80}),
    "mid-grey corner": (np.pad(picture(), ((0, 40), (0, 0), (0, 0)), constant_values=128), {"quality": 80}),
    "EXIF with a thumbnail": (picture(), {"quality": 80, "exif": b"Exif\0\0" + encoded(picture(40, 40))}),
    "comment": (picture(), {"quality": 80, "comment": b"\xff\xd9 \xff\xd8 \xff\xda"}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behind", [b"", bytes(63), bytes(100_000), b"\xff" * 70, encoded(picture(30, 30))])
def test_whole_ones_with_anything_behind(kind, behind):
    image, options = KINDS[kind]
    assert jpeg.is_whole_jpeg(encoded(image, **options) + behind)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"one block", "mid-grey", "mid-grey corner"}))
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("behind", [b"", b"\xff\xd9", b"\xff\xd9" + bytes(100), b"\0\0\xff\xd9"])
def test_cut_ones_whatever_was_put_behind(kind, kept, behind):
    image, options = KINDS[kind]
    data = encoded(image, **options)
    if "progressive" in kind and behind:
        kept = min(kept, 0.5)  # beyond that, only the last refinement is missing
    assert not jpeg.is_whole_jpeg(data[: int(kept * len(data))] + behind)


def test_cut_at_any_byte():
    """Also between the two bytes of what looks like a marker."""
    data = encoded(picture(40, 60)[..., 0], quality=95)
    begin = data.index(b"\xff\xda") + 20
    kept = range(begin, int(0.9 * len(data)))
    assert any(data[n - 1] == 0xFF for n in kept)
    assert not any(jpeg.is_whole_jpeg(data[:n] + b"\xff\xd9") for n in kept)


def test_a_cut_one_before_a_whole_one():
    data = encoded(picture())
    assert not jpeg.is_whole_jpeg(data[: len(data) // 2] + data)


@pytest.mark.parametrize("kept", [2, 30, 200, 600])
def test_cut_within_the_headers(kept):
    data = encoded(picture())[:kept]
    assert not jpeg.is_whole_jpeg(data) and not jpeg.is_whole_jpeg(data + b"\xff\xd9")


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"these are no pixels", bytes(99)])
def test_what_is_no_jpeg(data):
    assert not jpeg.is_whole_jpeg(data)


@pytest.mark.parametrize("kept", [0.5, 0.9])
@pytest.mark.parametrize("kind", ["4:2:0", "odd size", "grey"])
def test_decoded_pixels_show_what_the_decoder_filled_in(kind, kept):
    image, options = KINDS[kind]
    data = encoded(image, **options)
    jpeg.check_pixels(data, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    cut = data[: int(kept * len(data))] + b"\xff\xd9"
    jpeg.check_markers(cut)
    with pytest.raises(jpeg.JpegError, match="its last rows are missing"):
        jpeg.check_pixels(cut, cv2.imdecode(np.frombuffer(cut, np.uint8), cv2.IMREAD_UNCHANGED))


@pytest.mark.parametrize("flip", range(40))
def test_damaged_bytes_raise_nothing_else(flip):
    data = bytearray(encoded(picture(40, 40)))
    for at in np.random.default_rng(flip).integers(2, len(data), 20):
        data[at] ^= 0xFF
    assert jpeg.is_whole_jpeg(bytes(data)) in (True, False)


def test_a_second_frame_header_and_endless_scans_are_refused():
    """A decoder that goes by another header than the one whose size was read, or decodes an image a thousand times."""
    whole = encoded(picture())
    frame = whole.index(b"\xff\xc0")
    header = whole[frame : frame + 2 + int.from_bytes(whole[frame + 2 : frame + 4], "big")]
    with pytest.raises(jpeg.JpegError, match="two frame headers"):
        jpeg.check_markers(whole[:frame] + header + whole[frame:])
    progressive = encoded(picture(), progressive=True)
    last = progressive.rindex(b"\xff\xda")
    jpeg.check_markers(progressive[:-2] + 50 * progressive[last:-2] + progressive[-2:])
    with pytest.raises(jpeg.JpegError, match="scans, each a pass over the image: at most 100"):
        jpeg.check_markers(progressive[:-2] + 100 * progressive[last:-2] + progressive[-2:])
    assert jpeg.check_markers(whole) == (200, 120)
