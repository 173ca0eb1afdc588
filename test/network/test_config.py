"""Presets: the paper's network, the shipped one, and clear refusals."""

import dataclasses
import re

import pytest
import torch

from ckd_ros.network.config import CKDConfig
from ckd_ros.network.presets import PRESETS, preset
from ckd_ros.network.student import CKDStudent
from ckd_ros.settings import REQUIRED, settings_of


def test_the_paper_keeps_180_126_and_89_of_256_search_tokens():
    config = preset("vitb256")
    assert config.search_grid**2 == 256
    assert config.elimination_blocks == (3, 6, 9)
    assert config.kept_tokens == (180, 126, 89)


def test_centre_token_is_row_3_column_3_of_the_papers_template():
    assert preset("vitb256").template_centre == 3 * 8 + 3


def test_every_preset_carries_its_own_name_and_a_transformer_a_16x16_head():
    for name, config in PRESETS.items():
        assert config.preset == name
        assert config.head_grid == (16 if isinstance(config, CKDConfig) else 14)


def test_the_student_for_gpus_sees_the_papers_crops_with_a_seventh_of_its_parameters():
    config = preset("small")
    assert (config.template_size, config.search_size) == (128, 256)
    assert config.elimination == "multimodal" and config.template_box
    with torch.device("meta"):
        student = CKDStudent(config)
    assert sum(p.numel() for p in student.parameters()) < 25_000_000  # the paper's: 184 million


def test_elimination_switches_off_without_touching_the_rest():
    config = preset("tinyvit-mce")
    assert config.elimination == "multimodal"
    off = config.with_elimination(None)
    assert off.elimination is None
    assert dataclasses.replace(off, elimination="multimodal") == config


def test_the_ablations_differ_from_the_papers_network_in_one_thing_each():
    paper = preset("vitb256")
    for name, change in (
        ("vitb256-noce", {"elimination": None}),
        ("vitb256-ce", {"elimination": "unimodal"}),
        ("vitb256-shared", {"shared": True}),
    ):
        assert preset(name) == dataclasses.replace(paper, preset=name, **change)


def test_weights_carry_over_between_presets_that_differ_in_elimination_only():
    assert preset("vitb256").differences(preset("vitb256-ce")) == []
    assert preset("tinyvit").differences(preset("tinyvit-mce")) == []
    assert preset("tinyvit").differences(preset("tinyvit-shared")) == ["shared"]
    assert {"embed_dim", "depth", "stem"} < set(preset("tinyvit").differences(preset("vitb256")))
    assert preset("tinyvit").differences(dataclasses.replace(preset("tinyvit"), mean=(0.5, 0.5, 0.5))) == ["mean"]


def test_an_unknown_preset_is_refused_with_the_list_of_names():
    with pytest.raises(ValueError, match="'base'.*vitb256.*tinyvit.*tiny-ce"):
        preset("base")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"stem": "mlp"}, "stem is 'mlp': it must be a string, patch | conv"),
        ({"elimination": "both"}, "elimination is 'both': it must be a string, multimodal | unimodal, or none"),
        ({"num_heads": 7}, "num_heads 7"),
        ({"search_size": 250}, "search_size 250"),
        ({"stem": "conv", "patch_size": 32}, "32"),
        ({"neck_dim": 64}, "neck needs"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        CKDConfig("wrong", **wrong)


def test_every_setting_is_described_and_takes_its_default():
    for name, stated in settings_of(CKDConfig).items():
        assert stated.default is REQUIRED or stated.fault(stated.default) is None, name
        assert len(stated.description) > 4, name
