"""The centre head: decoding of boxes, clamping, the neck."""

import torch

from ckd_ros.network.branch import BranchOutput
from ckd_ros.network.head import CenterHead, Prediction
from ckd_ros.network.presets import preset


def prediction(row, column, offset=(0.25, -0.5), size=(0.2, 0.4), grid=16):
    score = torch.full((1, 1, grid, grid), 0.1)
    score[0, 0, row, column] = 0.9
    sizes, offsets = torch.rand(1, 2, grid, grid), torch.randn(1, 2, grid, grid)
    sizes[0, :, row, column] = torch.tensor(size)
    offsets[0, :, row, column] = torch.tensor(offset)
    return Prediction(score, sizes, offsets)


def test_the_box_is_read_at_the_peak_with_x_before_y():
    box = prediction(row=3, column=10).boxes()
    torch.testing.assert_close(box, torch.tensor([[10.25 / 16, 2.5 / 16, 0.2, 0.4]]))


def test_every_cell_decodes_its_own_box():
    maps = prediction(row=5, column=2)
    dense = maps.dense_boxes()
    assert dense.shape == (1, 16, 16, 4)
    torch.testing.assert_close(dense[:, 5, 2], maps.boxes())
    torch.testing.assert_close(dense[0, 7, 1, :2] * 16, maps.offset_map[0, :, 7, 1] + torch.tensor([1.0, 7.0]))


def tiny_features(config, batch=2):
    tokens = torch.randn(batch, 16 + 64, config.embed_dim)
    return [BranchOutput([], tokens, torch.randn(batch, 96, 16, 16)) for _ in range(2)]


def test_scores_and_sizes_stay_off_zero_and_one_even_in_half_precision():
    config = preset("tinyvit")
    head = CenterHead(config, modalities=2).eval()
    for bias, limit in ((100.0, 1 - 1e-4), (-100.0, 1e-4)):
        torch.nn.init.constant_(head.conv5_ctr.bias, bias)
        torch.nn.init.constant_(head.conv5_size.bias, bias)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            maps = head(*tiny_features(config))
        for values in (maps.score_map, maps.size_map):
            torch.testing.assert_close(values, torch.full_like(values, limit), rtol=0, atol=1e-7)


def test_the_head_reads_search_tokens_only():
    config = preset("tinyvit")
    head = CenterHead(config, modalities=2).eval()
    rgb, tir = tiny_features(config)
    with torch.no_grad():
        before = head(rgb, tir)
        rgb.tokens[:, :16] = 0
        after = head(rgb, tir)
        rgb.tokens[:, 16] = 0
        changed = head(rgb, tir)
    assert torch.equal(before.score_map, after.score_map)
    assert not torch.equal(after.score_map, changed.score_map)
