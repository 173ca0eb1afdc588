"""The student rearranged for inference: what is left out or joined changes no map."""

import dataclasses

import pytest
import torch
from students import lively

from ckd_ros.network import branch as branch_module
from ckd_ros.network.config import CKDConfig
from ckd_ros.network.export import example_inputs
from ckd_ros.network.inference import FusableGelu, InferenceStudent, fold_batch_norm
from ckd_ros.network.presets import preset

PAPERLIKE = CKDConfig(
    "t", template_size=32, search_size=64, embed_dim=24, depth=3, num_heads=3, elimination_blocks=(1,)
)
ENDS_WITH_ELIMINATION = dataclasses.replace(PAPERLIKE, elimination_blocks=(0, 2))


def assert_equal_maps(found, expected, tolerance=1e-5):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=1e-4)


@pytest.mark.parametrize("mode", [None, "multimodal", "unimodal"])
@pytest.mark.parametrize(
    "config", [PAPERLIKE, ENDS_WITH_ELIMINATION, preset("tinyvit")], ids=["paper", "last", "tinyvit"]
)
def test_prediction_alone_equals_the_whole_computation(config, mode):
    config = config.with_elimination(mode)
    model, inputs = lively(config), example_inputs(config)
    with torch.no_grad():
        assert_equal_maps(model.predict(*inputs), model(*inputs).prediction)


def test_after_the_last_attention_the_template_is_left_out(monkeypatch):
    """The last block's MLP and the final norm see the 16 search tokens only, all other blocks' MLPs 4 + 16 tokens."""
    seen = []
    model = lively(PAPERLIKE)
    forward = branch_module.MLP.forward
    monkeypatch.setattr(branch_module.MLP, "forward", lambda self, x: seen.append(x.shape[1]) or forward(self, x))
    model.rgb_branch.norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape[1]))
    with torch.no_grad():
        model.predict(*example_inputs(PAPERLIKE))
    assert seen == [20, 20, 20, 20, 16, 16, 16]


@pytest.mark.parametrize("name", ["tinyvit", "tinyvit-mce"])
def test_the_rearranged_student_computes_the_same_maps_and_leaves_the_student_alone(name):
    model = lively(preset(name))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    inputs = example_inputs(model.config, seed=3)
    with torch.no_grad():
        assert_equal_maps(InferenceStudent(model)(*inputs), model(*inputs).prediction)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_head_on_the_token_grid_is_joined_too():
    model = lively(PAPERLIKE)
    inputs = example_inputs(PAPERLIKE, seed=3)
    with torch.no_grad():
        assert_equal_maps(InferenceStudent(model)(*inputs), model(*inputs).prediction)


def test_folding_batch_norm_changes_nothing():
    model = lively(preset("tinyvit"))
    folded = fold_batch_norm(model)
    norms = [sum(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules()) for net in (model, folded)]
    assert norms[1] < norms[0]
    inputs = example_inputs(model.config)
    with torch.no_grad():
        assert_equal_maps(folded(*inputs).prediction, model(*inputs).prediction)


def test_the_fusable_gelu_is_the_exact_gelu():
    x = torch.linspace(-6, 6, 500)
    torch.testing.assert_close(FusableGelu()(x), torch.nn.functional.gelu(x))
