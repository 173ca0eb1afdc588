"""The student: the authors' parameter names, the reference figures, the shipped preset."""

import math

import pytest
import torch

from ckd_ros.network.checkpoint import CheckpointError
from ckd_ros.network.inference import InferenceStudent
from ckd_ros.network.presets import preset
from ckd_ros.network.student import CKDStudent, SingleModalityTracker

CROPS = ("template_rgb", "template_tir", "search_rgb", "search_tir")


def test_the_papers_network_has_exactly_the_authors_tensors(shared):
    listed = {}
    for line in (shared / "reference" / "state_keys.txt").read_text().splitlines():
        name, shape, dtype = line.split("\t")
        listed[name] = (tuple(int(n) for n in shape.strip("()").split(",") if n.strip()), dtype)
    with torch.device("meta"):
        state = CKDStudent(preset("vitb256")).state_dict()
    assert {name: (tuple(v.shape), str(v.dtype)) for name, v in state.items()} == listed


def test_outputs_without_elimination_match_the_reference(reference, reference_config):
    model = CKDStudent(reference_config).eval()
    model.load_state_dict({name: reference[f"w/{name}"] for name in model.state_dict()})
    with torch.no_grad():
        out = model(*(reference[name] for name in CROPS))
    for name, values in out.prediction._asdict().items():
        torch.testing.assert_close(values, reference[f"noce_{name}"], atol=1e-4, rtol=0)
    torch.testing.assert_close(out.prediction.boxes(), reference["noce_pred_boxes"][:, 0], atol=1e-4, rtol=0)
    features = torch.cat([out.rgb.tokens, out.tir.tokens], dim=-1)[:, ::8]
    torch.testing.assert_close(features, reference["noce_backbone_feat"], atol=1e-4, rtol=0)


def tinyvit_inputs(batch=2):
    torch.manual_seed(0)
    crops = [torch.randn(batch, 3, size, size) for size in (64, 64, 128, 128)]
    return *crops, torch.tensor([[0.25, 0.25, 0.5, 0.5]] * batch)


def test_tinyvit_maps_two_modalities_to_a_16x16_grid():
    with torch.no_grad():
        out = CKDStudent(preset("tinyvit-mce")).eval()(*tinyvit_inputs())
    assert [tuple(m.shape) for m in out.prediction] == [(2, 1, 16, 16), (2, 2, 16, 16), (2, 2, 16, 16)]
    assert [b.shape[1] - 16 for b in out.rgb.blocks] == [64, 64, 45, 45, 32, 32]


def test_tinyvit_is_small_enough_for_two_cpu_cores():
    with torch.device("meta"):
        count = sum(p.numel() for p in CKDStudent(preset("tinyvit-mce")).parameters())
    assert count < 7e6


def test_elimination_needs_no_weights_of_its_own():
    model = CKDStudent(preset("tinyvit-mce"))
    CKDStudent(preset("tinyvit-mce").with_elimination(None)).load_state_dict(model.state_dict())


def test_modalities_meet_only_in_the_head_without_elimination():
    model = CKDStudent(preset("tinyvit-mce").with_elimination(None)).eval()
    t_rgb, t_tir, s_rgb, s_tir, box = tinyvit_inputs()
    with torch.no_grad():
        a, b = model(t_rgb, t_tir, s_rgb, s_tir, box), model(t_rgb, t_tir, s_rgb, torch.zeros_like(s_tir), box)
    assert torch.equal(a.rgb.tokens, b.rgb.tokens)
    assert not torch.equal(a.prediction.score_map, b.prediction.score_map)


def test_a_shared_student_is_one_branch_that_sees_both_modalities():
    torch.manual_seed(0)
    shared, two = CKDStudent(preset("tinyvit-shared")), CKDStudent(preset("tinyvit"))
    assert shared.branches[0] is shared.branches[1]
    names = [name for name, _ in shared.named_parameters()]
    assert len(names) == len(shared.state_dict().keys() & names) and not any("tir" in name for name in names)
    state = shared.state_dict()
    two.load_state_dict(state | {n.replace("rgb_", "tir_"): v for n, v in state.items() if n.startswith("rgb_")})
    with torch.no_grad():
        for a, b in zip(*(model.eval()(*tinyvit_inputs()).prediction for model in (shared, two)), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
        for a, b in zip(InferenceStudent(shared)(*tinyvit_inputs(1)), two(*tinyvit_inputs(1)).prediction, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_a_shared_stem_normalises_both_modalities_by_their_mixture():
    """As its running statistics will when it tracks; else training and tracking would see different networks."""
    torch.manual_seed(0)
    model = CKDStudent(preset("tinyvit-shared")).train()
    t_rgb, t_tir, s_rgb, s_tir, box = tinyvit_inputs()
    with torch.no_grad():
        one = model(t_rgb, t_tir, s_rgb, s_tir, box)
        other = model(t_rgb, t_tir, s_rgb, 3 * s_tir, box)
    assert not torch.allclose(one.rgb.skip, other.rgb.skip)


def test_all_parts_start_from_one_tracker_also_without_teachers():
    tracker = SingleModalityTracker(preset("tinyvit"))
    for name in ("tinyvit", "tinyvit-shared"):
        student = CKDStudent(preset(name))
        student.init_from_tracker(tracker.state_dict())
        for branch in student.branches:
            assert torch.equal(branch.pos_embed_x, tracker.backbone.pos_embed_x)
        kernel = tracker.box_head.neck.tokens.weight
        assert torch.equal(student.box_head.neck.tokens.weight, torch.cat([kernel, kernel], dim=1))
    less = {name: value for name, value in tracker.state_dict().items() if name != "backbone.norm.bias"}
    with pytest.raises(CheckpointError, match="2 missing: rgb_branch.norm.bias, tir_branch.norm.bias; 1 unexpected: x"):
        CKDStudent(preset("tinyvit")).init_from_tracker(less | {"x": torch.zeros(1)})


def test_an_untrained_network_expects_targets_to_be_rare():
    with torch.no_grad():
        score = CKDStudent(preset("tinyvit-mce")).eval()(*tinyvit_inputs()).prediction.score_map
    assert score.mean().item() == pytest.approx(1 / (1 + math.exp(2.19)), abs=0.05)


def test_single_modality_tracker_shares_the_shapes_of_the_students_branch():
    tracker = SingleModalityTracker(preset("tinyvit-mce"))
    CKDStudent(preset("tinyvit-mce")).rgb_branch.load_state_dict(tracker.backbone.state_dict())
    template, _, search, _, box = tinyvit_inputs()
    with torch.no_grad():
        assert tracker.eval()(template, search, box).score_map.shape == (2, 1, 16, 16)
