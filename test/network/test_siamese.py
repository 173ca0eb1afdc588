"""The Siamese student: two trackers side by side, and what couples them."""

import dataclasses
import re

import pytest
import torch
from students import FEAR_XS, coupled, side_by_side

from ckd_ros.network.checkpoint import CheckpointError, load_checkpoint, load_weights
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.head import PROBABILITY_FLOOR
from ckd_ros.network.presets import preset
from ckd_ros.network.siamese import CHANNELS, SiameseOutput
from ckd_ros.network.siamese_config import SiameseConfig
from ckd_ros.network.siamese_inference import SiameseInference
from ckd_ros.network.siamese_student import (
    Coupling,
    Features,
    PartSimilarity,
    SiameseStudent,
    SiameseTracker,
    branch_prediction,
    to_prediction,
)

SMALL = SiameseConfig("small", search_size=96)  # 6 x 6 cells
G = SMALL.search_grid


def crops(config=SMALL, batch=2):
    """Both templates, both search crops."""
    torch.manual_seed(0)
    sizes = (config.template_size, config.template_size, config.search_size, config.search_size)
    return [torch.randn(batch, 3, size, size) for size in sizes]


def assert_same(found, expected, tolerance=1e-5):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=1e-4)


@pytest.fixture(scope="module")
def tracker():
    model = SiameseTracker(SMALL)
    load_weights(model, load_checkpoint(FEAR_XS)[0])
    return model.eval()


@pytest.fixture(scope="module")
def fresh():
    return side_by_side(SMALL)


# -- one branch --------------------


def test_a_branch_gives_features_of_16_pixels_and_maps_of_the_search_crop(tracker):
    template, _, search, _ = crops()
    with torch.no_grad():
        features, match = tracker.backbone.features(template), tracker.match(template, search)
    assert features.shape == (2, CHANNELS, 8, 8)
    assert [tuple(block.shape) for block in match.blocks] == [(2, G * G, CHANNELS)] * 3
    assert match.scores.shape == (2, CHANNELS, G, G)
    assert match.logits.shape == (2, 1, G, G) and match.log_sides.shape == (2, 4, G, G)
    torch.testing.assert_close(match.blocks[0], tracker.backbone.features(search).flatten(2).transpose(1, 2))


def test_distances_to_the_sides_become_size_and_offset_in_the_crop():
    """From cell (row 2, column 1) at (16, 32) pixels: a box from (8, 16) to (40, 56) of 96."""
    logits, log_sides = torch.full((1, 1, G, G), -9.0), torch.zeros(1, 4, G, G)
    logits[0, 0, 2, 1] = 3.0
    log_sides[0, :, 2, 1] = torch.tensor([8.0, 16.0, 24.0, 24.0]).log()
    maps = to_prediction(logits, log_sides)
    torch.testing.assert_close(maps.boxes(), torch.tensor([[24 / 96, 36 / 96, 32 / 96, 40 / 96]]))
    assert maps.score_map[0, 0, 2, 1].item() == pytest.approx(1 / (1 + 2.718281828**-3))


def test_maps_of_extreme_logits_and_sides_stay_in_their_range():
    maps = to_prediction(torch.tensor([[[[-90.0, 90.0]]]]), torch.full((1, 4, 1, 2), 90.0))
    assert maps.score_map.flatten().tolist() == pytest.approx([PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR])
    assert (maps.size_map == 1 - PROBABILITY_FLOOR).all() and torch.isfinite(maps.offset_map).all()


# -- two trackers side by side --------------------


def test_all_branches_start_from_one_tracker_and_the_coupling_at_zero(tracker, fresh):
    for branch in fresh.branches:
        assert all(torch.equal(a, b) for a, b in zip(branch.parameters(), tracker.backbone.parameters(), strict=True))
    assert fresh.rgb_branch is not fresh.tir_branch
    coupling = fresh.coupling
    for layer in (coupling.to_rgb, coupling.to_tir, coupling.gate[-1]):
        assert all(not parameter.any() for parameter in layer.parameters())
    less = {name: value for name, value in tracker.state_dict().items() if not name.endswith("stem.bias")}
    with pytest.raises(CheckpointError, match="2 missing: rgb_branch.backbone.stem.bias, tir_branch.*1 unexpected: x"):
        SiameseStudent(SMALL).init_from_tracker(less | {"x": torch.zeros(1)})


def test_a_fresh_student_that_sees_the_same_twice_is_the_single_tracker(tracker, fresh):
    template, _, search, _ = crops()
    with torch.no_grad():
        assert_same(fresh(template, template, search, search).prediction, tracker(template, search))


@pytest.mark.parametrize("absent", ["template", "search", "both"])
@pytest.mark.parametrize("modality", [0, 1], ids=["colour", "thermal"])
def test_an_absent_camera_changes_nothing(tracker, fresh, modality, absent):
    inputs = crops()
    template, search = inputs[1 - modality], inputs[3 - modality]
    for index in {"template": [modality], "search": [2 + modality], "both": [modality, 2 + modality]}[absent]:
        inputs[index] = torch.zeros_like(inputs[index])
    with torch.no_grad():
        assert_same(fresh(*inputs).prediction, tracker(template, search))


def test_a_camera_may_be_absent_in_one_sample_of_a_batch(fresh):
    inputs = crops()
    inputs[1][1], inputs[3][1] = 0, 0
    with torch.no_grad():
        both = fresh(*inputs).prediction
        for sample in (0, 1):
            alone = fresh(*(x[sample : sample + 1] for x in inputs)).prediction
            assert_same([m[sample : sample + 1] for m in both], alone)


def matches(rgb_logits, tir_logits):
    """Outputs of two branches whose boxes differ: 8 pixels to each side in colour, 32 in thermal."""
    outputs = []
    for logits, side in ((rgb_logits, 8.0), (tir_logits, 32.0)):
        logits = torch.tensor(logits).reshape(1, 1, 1, -1)
        sides = torch.full((1, 4, 1, logits.shape[-1]), side).log()
        outputs.append(SiameseOutput([], torch.randn(1, CHANNELS, 1, logits.shape[-1]), logits, sides))
    return outputs


def test_in_each_cell_the_surer_camera_counts_and_equally_sure_ones_are_averaged():
    rgb, tir = matches([6.0, -2.0, 1.0], [-4.0, 3.0, 1.0])
    similarities = torch.randn(1, 2 * PartSimilarity.PARTS**2, 1, 3)
    maps = Coupling()(rgb, tir, similarities, torch.ones(1, 2, 1, 1))
    assert_same([maps.score_map.flatten()], [torch.tensor([6.0, 3.0, 1.0]).sigmoid()])
    sizes = maps.size_map[0, 0, 0] * 16 * 3  # pixels
    torch.testing.assert_close(sizes, torch.tensor([16.0, 47.9952, 32.0]), atol=1e-3, rtol=0)  # 1 - 1e-4 of the crop


def test_two_cameras_never_make_a_cell_surer_than_the_surer_one(tracker, fresh):
    t_rgb, t_tir, s_rgb, s_tir = crops()
    with torch.no_grad():
        both = fresh(t_rgb, t_tir, s_rgb, s_tir).prediction.score_map
        alone = torch.stack([tracker(t_rgb, s_rgb).score_map, tracker(t_tir, s_tir).score_map])
    assert (both <= alone.amax(0) + 1e-6).all() and (both >= alone.amin(0) - 1e-6).all()


def test_what_the_other_camera_shows_reaches_a_branch_once_the_coupling_has_learned():
    student, inputs = coupled(SMALL), crops()
    with torch.no_grad():
        both = student(*inputs)
        alone = student(inputs[0], torch.zeros_like(inputs[1]), inputs[2], torch.zeros_like(inputs[3]))
        uncoupled = student.rgb_branch.match(*(student.rgb_branch.features(x) for x in (inputs[0], inputs[2])))
    assert not torch.allclose(both.rgb.blocks[0], uncoupled.blocks[0], atol=1e-2)
    assert_same(alone.rgb.blocks, uncoupled.blocks)  # nothing comes from a camera that is not there


def test_parts_of_the_template_are_found_where_the_search_shows_them():
    """A template shown again, cell by cell, resembles each of its 2 x 2 cells' parts most where that part is."""
    torch.manual_seed(0)
    parts = torch.randn(1, CHANNELS, 4, 4)
    similarity = PartSimilarity()
    similarity.search.load_state_dict(similarity.template.state_dict())
    with torch.no_grad():
        cosines = similarity(parts.repeat_interleave(2, 2).repeat_interleave(2, 3), parts)
    assert cosines.shape == (1, 16, 4, 4) and cosines.abs().max() <= 1 + 1e-5
    assert torch.equal(cosines.flatten(2)[0].argmax(1), torch.arange(16))


def test_an_absent_camera_resembles_nothing():
    coupling, features = Coupling(), [torch.randn(1, CHANNELS, 8, 8)] * 2
    with torch.no_grad():
        found = coupling.similarities(features, features, torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1))
    assert found[:, :16].any() and not found[:, 16:].any()


@pytest.mark.parametrize(("share", "like"), [(0.0, side_by_side), (1.0, coupled)])
def test_of_the_coupling_a_share_is_kept(share, like):
    student = coupled(SMALL)
    student.coupling.weaken(share)
    with torch.no_grad():
        assert_same(student(*crops()).prediction, like(SMALL)(*crops()).prediction)


# -- masking and elimination --------------------


def test_masked_cells_are_zero_in_both_modalities_and_the_others_as_they_were(fresh):
    keep = torch.ones(2, G * G, dtype=torch.bool)
    keep[0, 3] = keep[1, 20] = False
    with torch.no_grad():
        seen, masked = fresh(*crops()), fresh(*crops(), keep_mask=keep)
    for before, after in ((seen.rgb, masked.rgb), (seen.tir, masked.tir)):
        assert not after.blocks[0][~keep].any()
        torch.testing.assert_close(after.blocks[0][keep], before.blocks[0][keep])


@pytest.mark.parametrize("mode", ["multimodal", "unimodal"])
def test_elimination_zeroes_all_cells_but_those_it_keeps(mode):
    config = dataclasses.replace(SMALL, elimination=mode)
    assert config.kept_cells == 26  # of 36
    with torch.no_grad():
        out, whole = side_by_side(config)(*crops()), side_by_side(SMALL)(*crops())
    kept = [branch.blocks[0].any(-1) for branch in (out.rgb, out.tir)]
    for keep, branch, before in zip(kept, (out.rgb, out.tir), (whole.rgb, whole.tir), strict=True):
        assert (keep.sum(1) == config.kept_cells).all()
        torch.testing.assert_close(branch.blocks[0][keep], before.blocks[0][keep])
    assert torch.equal(*kept) == (mode == "multimodal")


@pytest.mark.parametrize(("mode", "kept"), [("multimodal", ([4, 30], [4, 30])), ("unimodal", ([4, 20], [20, 30]))])
def test_a_candidate_of_either_camera_survives_in_both_where_elimination_is_multimodal(mode, kept):
    """Cell 4 resembles the template most in colour (0.6), 30 in thermal; 20 comes second in both (0.4)."""
    student = SiameseStudent(dataclasses.replace(SMALL, elimination=mode, keep_ratio=2 / G**2)).eval()
    template = torch.zeros(1, CHANNELS, 8, 8)
    template[:, 0, 3:5, 3:5] = 1.0
    template[:, 1] = 50.0  # what surrounds the target; no query is made of it
    template[:, 1, 3:5, 3:5] = 0.0
    searches = []
    for best in (4, 30):
        search = torch.ones(1, CHANNELS, G * G)
        search[:, 0, [best, 20]] = CHANNELS**0.5 * (torch.tensor([0.6, 0.4]).log() + 20)
        search[:, 1, 0] = 1000.0
        searches.append(search.reshape(1, CHANNELS, G, G))
    with torch.no_grad():
        out = student.couple(Features((template, template), tuple(searches), torch.ones(1, 2, 1, 1)))
    found = [branch.blocks[0][0].any(-1).nonzero().flatten().tolist() for branch in (out.rgb, out.tir)]
    assert tuple(found) == kept


# -- settings and what is exported --------------------


def test_maps_from_templates_encoded_before_are_those_of_the_student_which_stays_as_it_is():
    student = coupled(dataclasses.replace(SMALL, elimination="multimodal"))
    before = {name: value.clone() for name, value in student.state_dict().items()}
    inference, seen = SiameseInference(student), torch.ones(2, 2)
    t_rgb, t_tir, s_rgb, s_tir = crops()
    unused = [torch.zeros(2, CHANNELS, 8, 8)] * 2
    with torch.no_grad():
        templates = inference(t_rgb, t_tir, *unused, seen)[3:]
        assert_same(inference(s_rgb, s_tir, *templates, seen)[:3], student(t_rgb, t_tir, s_rgb, s_tir).prediction)
    assert all(torch.equal(before[name], value) for name, value in student.state_dict().items())


def test_the_student_is_small_enough_for_two_cpu_cores():
    with torch.device("meta"):
        count = sum(p.numel() for p in SiameseStudent(preset("tiny")).parameters())
    assert count < 3.5e6


def test_the_border_is_the_mean_grey_and_the_windows_are_stretched():
    config = preset("tiny")
    assert config.stretched and config.border == pytest.approx(0.4490, abs=1e-4)
    assert not config.template_box and not config.shared
    transformer = preset("tinyvit")
    assert not transformer.stretched and transformer.border == 0.0


def test_weights_carry_over_between_presets_that_differ_in_elimination_only():
    assert preset("tiny").differences(preset("tiny-mce")) == preset("tiny-ce").differences(preset("tiny")) == []
    assert preset("tiny").differences(dataclasses.replace(preset("tiny"), keep_ratio=0.5)) == []
    assert preset("tiny").differences(SMALL) == ["search_size"]
    assert preset("tiny-mce").with_elimination(None) == dataclasses.replace(preset("tiny"), preset="tiny-mce")


def test_the_families_do_not_share_weights():
    transformer = CKDConfig("t", template_size=128, search_size=224)
    assert transformer.differences(preset("tiny")) == preset("tiny").differences(transformer) == ["architecture"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"search_size": 250}, "search_size 250 must be a multiple of 16"),
        ({"template_size": 100}, "template_size 100 must be a multiple of 16"),
        ({"elimination": "both"}, "elimination is 'both': it must be a string, multimodal | unimodal, or none"),
        ({"keep_ratio": 1.5}, "keep_ratio is 1.5"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        SiameseConfig("wrong", **wrong)


def test_every_setting_is_described_and_takes_its_default():
    from ckd_ros.settings import REQUIRED, settings_of

    for name, stated in settings_of(SiameseConfig).items():
        assert stated.default is REQUIRED or stated.fault(stated.default) is None, name
        assert len(stated.description) > 4, name


def test_one_branchs_maps_are_the_trackers(tracker):
    template, _, search, _ = crops()
    with torch.no_grad():
        assert_same(branch_prediction(tracker.match(template, search)), tracker(template, search))
