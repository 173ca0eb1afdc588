"""Candidate elimination: which search tokens survive, in which order, and where they return to."""

import dataclasses

import pytest
import torch

from ckd_ros.network import student as student_module
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.elimination import candidate_scores, keep_best, restore, take
from ckd_ros.network.student import CKDStudent

CONFIG = CKDConfig(
    "t",
    embed_dim=24,
    num_heads=3,
    depth=11,
    head_channels=(8, 8, 4, 4),
    elimination="multimodal",
)


@pytest.fixture
def crops():
    torch.manual_seed(1)
    return [torch.randn(2, 3, size, size) for size in (128, 128, 256, 256)]


@pytest.fixture
def kept(monkeypatch):
    """Records what `restore` is given: per branch, the places of the tokens that survived."""
    places = []

    def recording(tokens, index, total):
        places.append(index)
        return restore(tokens, index, total)

    monkeypatch.setattr(student_module, "restore", recording)
    return places


def test_the_maximum_over_modalities_comes_before_the_mean_over_heads():
    rgb = torch.tensor([[[0.9, 0.1], [0.0, 0.2]]])  # one sample, two heads, two tokens
    tir = torch.tensor([[[0.1, 0.3], [0.4, 0.1]]])
    joint = torch.tensor([[(0.9 + 0.4) / 2, (0.3 + 0.2) / 2]])
    torch.testing.assert_close(candidate_scores([rgb, tir], "multimodal"), [joint, joint])
    alone = [torch.tensor([[0.45, 0.15]]), torch.tensor([[0.25, 0.2]])]
    torch.testing.assert_close(candidate_scores([rgb, tir], "unimodal"), alone)


def test_best_tokens_come_in_descending_order():
    assert keep_best(torch.tensor([[0.1, 0.9, 0.5, 0.7]]), 3).tolist() == [[1, 3, 2]]


def test_kept_tokens_return_to_their_places_and_the_rest_is_zero():
    tokens = torch.randn(2, 6, 4)
    index = torch.tensor([[4, 1, 2], [0, 5, 3]])
    restored = restore(take(tokens, index), index, 6)
    for b in range(2):
        for place in range(6):
            expected = tokens[b, place] if place in index[b] else torch.zeros(4)
            torch.testing.assert_close(restored[b, place], expected)


def test_256_search_tokens_become_180_126_and_89_after_blocks_3_6_and_9(crops):
    with torch.no_grad():
        out = CKDStudent(CONFIG).eval()(*crops)
    counts = [block.shape[1] - 64 for block in out.rgb.blocks]
    assert counts == [256] * 3 + [180] * 3 + [126] * 3 + [89] * 2
    assert [block.shape for block in out.tir.blocks] == [block.shape for block in out.rgb.blocks]


def test_both_modalities_keep_the_same_tokens_and_the_rest_is_zero(crops, kept):
    with torch.no_grad():
        out = CKDStudent(CONFIG).eval()(*crops)
    rgb, tir = kept
    assert torch.equal(rgb, tir)
    for b in range(2):
        assert len(set(rgb[b].tolist())) == 89
        for branch in (out.rgb, out.tir):
            alive = branch.tokens[b, 64:].abs().sum(-1) > 0
            assert sorted(rgb[b].tolist()) == alive.nonzero().flatten().tolist()


def test_unimodal_elimination_lets_each_branch_decide(crops, kept):
    with torch.no_grad():
        out = CKDStudent(dataclasses.replace(CONFIG, elimination="unimodal")).eval()(*crops)
    rgb, tir = kept
    assert rgb.shape == tir.shape == (2, 89)
    assert not torch.equal(rgb.sort(1).values, tir.sort(1).values)
    assert out.prediction.score_map.shape == (2, 1, 16, 16)


def test_survivors_are_those_the_template_centre_attends_to_most(crops, kept):
    """One elimination, redone from the full attention probabilities of both branches."""
    config = dataclasses.replace(CONFIG, depth=2, elimination_blocks=(1,))
    model = CKDStudent(config).eval()
    with torch.no_grad():
        model(*crops)
        maps = []
        for branch, z, x in ((model.rgb_branch, *crops[::2]), (model.tir_branch, *crops[1::2])):
            tokens = branch.blocks[0](branch.embed(z, x)[0])
            q, k, _ = branch.blocks[1].attn.qkv(branch.blocks[1].norm1(tokens)).reshape(2, 320, 3, 3, 8).unbind(2)
            maps.append((torch.einsum("bihd,bjhd->bhij", q, k) / 8**0.5).softmax(-1))
    scores = torch.maximum(*maps)[:, :, 3 * 8 + 3, 64:].mean(1)
    assert kept[0].shape == (2, 180)
    assert torch.equal(kept[0], scores.argsort(dim=1, descending=True)[:, :180])


def test_keeping_every_token_equals_no_elimination(crops):
    """Order does not matter to attention, so a ratio of 1 must leave the outputs alone."""
    model = CKDStudent(dataclasses.replace(CONFIG, keep_ratio=1.0)).eval()
    plain = CKDStudent(CONFIG.with_elimination(None)).eval()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        for a, b in zip(model(*crops).prediction, plain(*crops).prediction, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
