"""The modality gap is the style loss, taken apart by blocks, and a figure that no scale can hide."""

import pytest

torch = pytest.importorskip("torch")

from modality_gap import modality_gap

from ckd_ros.training.losses import style_loss


def blocks(seed, shift=0.0):
    torch.manual_seed(seed)
    return [torch.randn(4, 10, 6) + shift for _ in range(3)]


def test_the_blocks_gaps_add_up_to_the_style_loss():
    rgb, tir = blocks(0), blocks(1, shift=0.7)
    gap = modality_gap(rgb, tir)
    assert gap.distance.shape == gap.relative.shape == (3,)
    assert gap.distance.sum().item() == pytest.approx(style_loss(rgb, tir).item(), rel=1e-6)


def test_features_in_another_order_are_no_gap():
    rgb = blocks(0)
    gap = modality_gap(rgb, [x[:, torch.randperm(10)] for x in rgb])
    assert gap.distance.max() < 1e-10


def test_smaller_features_have_a_smaller_distance_but_the_same_relative_gap():
    rgb, tir = blocks(0), blocks(1, shift=0.7)
    large, small = modality_gap(rgb, tir), modality_gap([0.1 * x for x in rgb], [0.1 * x for x in tir])
    torch.testing.assert_close(small.distance, 0.01 * large.distance)
    torch.testing.assert_close(small.relative, large.relative)


def test_unrelated_statistics_have_a_relative_gap_of_two():
    """Where one modality lives in the channels that are dead in the other, nothing is shared."""
    left, right = torch.zeros(2, 10, 6), torch.zeros(2, 10, 6)
    left[..., :3], right[..., 3:] = torch.randn(2, 10, 3), torch.randn(2, 10, 3)
    assert modality_gap([left], [right]).relative.item() == pytest.approx(2.0, rel=1e-5)
