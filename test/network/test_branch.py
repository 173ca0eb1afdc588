"""One branch: attention, masked modelling, the template's box."""

import pytest
import torch

from ckd_ros.network.branch import Attention, Block, Branch, DropPath, cell_coverage
from ckd_ros.network.config import CKDConfig

PAPERLIKE = CKDConfig("t", template_size=32, search_size=64, embed_dim=24, depth=3, num_heads=3)
SMALL = CKDConfig(
    "t",
    template_size=64,
    search_size=128,
    embed_dim=24,
    depth=2,
    num_heads=3,
    stem="conv",
    template_box=True,
    neck_dim=16,
)


def crops(config, batch=2):
    torch.manual_seed(0)
    return (torch.randn(batch, 3, size, size) for size in (config.template_size, config.search_size))


def test_attention_is_the_scaled_dot_product_and_the_row_is_one_row_of_its_probabilities():
    torch.manual_seed(0)
    attention = Attention(PAPERLIKE)
    x = torch.randn(2, 20, 24)
    out, row = attention(x, query=5)
    q, k, v = attention.qkv(x).reshape(2, 20, 3, 3, 8).permute(2, 0, 3, 1, 4)
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 20, 24)
    torch.testing.assert_close(out, attention.proj(fused))
    torch.testing.assert_close(row, (q @ k.transpose(-2, -1) / 8**0.5).softmax(-1)[:, :, 5])
    torch.testing.assert_close(row.sum(-1), torch.ones(2, 3))


def test_branch_returns_every_block_and_normed_tokens():
    branch = Branch(PAPERLIKE).eval()
    out = branch(*crops(PAPERLIKE))
    assert [tuple(block.shape) for block in out.blocks] == [(2, 4 + 16, 24)] * 3
    torch.testing.assert_close(out.tokens, branch.norm(out.blocks[-1]))
    assert out.skip is None


def test_masked_search_tokens_keep_only_their_position():
    branch = Branch(PAPERLIKE).eval()
    template, search = crops(PAPERLIKE)
    keep = torch.ones(2, 16, dtype=torch.bool)
    keep[0, 3] = keep[1, 7] = False
    seen, _ = branch.embed(template, search)
    masked, _ = branch.embed(template, search, keep_mask=keep)
    torch.testing.assert_close(masked[0, 4 + 3], branch.pos_embed_x[0, 3])
    torch.testing.assert_close(masked[1, 4 + 7], branch.pos_embed_x[0, 7])
    torch.testing.assert_close(masked[:, 4:][keep], seen[:, 4:][keep])
    torch.testing.assert_close(masked[:, :4], seen[:, :4])


def test_masking_hides_the_same_places_in_the_skip():
    branch = Branch(SMALL).eval()
    box = torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    keep = torch.ones(1, 64, dtype=torch.bool)
    keep[0, 8 * 2 + 3] = False  # row 2, column 3
    _, skip = branch.embed(*crops(SMALL, 1), box, keep)
    _, whole = branch.embed(*crops(SMALL, 1), box)
    assert skip.shape == (1, 96, 16, 16)
    assert skip[:, :, 4:6, 6:8].abs().max() == 0
    skip[:, :, 4:6, 6:8] = whole[:, :, 4:6, 6:8]
    torch.testing.assert_close(skip, whole)


def test_cell_coverage_is_the_exact_fraction_of_each_cell():
    cover = cell_coverage(torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.125, 0.0, 0.25, 0.0625]]), 4).reshape(2, 4, 4)
    expected = torch.zeros(4, 4)
    expected[1:3, 1:3] = 1
    torch.testing.assert_close(cover[0], expected)
    torch.testing.assert_close(cover[1, 0], torch.tensor([0.125, 0.125, 0.0, 0.0]))  # half the width, 1/4 height
    assert cover[1, 1:].abs().max() == 0


def test_cell_coverage_ignores_what_lies_outside_the_template():
    cover = cell_coverage(torch.tensor([[-1.0, -1.0, 3.0, 3.0]]), 4)
    torch.testing.assert_close(cover, torch.ones(1, 16, 1))


def test_the_template_box_reaches_the_template_tokens_only():
    branch = Branch(SMALL).eval()
    narrow, _ = branch.embed(*crops(SMALL, 1), torch.tensor([[0.4, 0.25, 0.2, 0.5]]))
    wide, _ = branch.embed(*crops(SMALL, 1), torch.tensor([[0.2, 0.25, 0.6, 0.5]]))
    assert (narrow[:, :16] - wide[:, :16]).abs().max() > 0
    torch.testing.assert_close(narrow[:, 16:], wide[:, 16:])


def test_a_missing_template_box_is_refused():
    with pytest.raises(ValueError, match="template_box"):
        Branch(SMALL)(*crops(SMALL))


def test_drop_path_rises_linearly_and_sleeps_in_evaluation():
    branch = Branch(CKDConfig("t", embed_dim=24, depth=3, num_heads=3, drop_path=0.2))
    assert [block.drop_path.rate for block in branch.blocks] == pytest.approx([0.0, 0.1, 0.2])
    x = torch.randn(2, 5, 24)
    block = Block(PAPERLIKE, drop_path=0.9).eval()
    torch.testing.assert_close(block(x), block(x))


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    out = DropPath(0.25).train()(torch.ones(4000, 3, 2))
    assert torch.unique(out).tolist() == pytest.approx([0.0, 1 / 0.75])
    assert (out.flatten(1).amax(1) == out.flatten(1).amin(1)).all()
    assert out.mean().item() == pytest.approx(1.0, abs=0.05)
