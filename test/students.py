"""Students that no training made, for tests."""

from pathlib import Path

import torch

from ckd_ros.network.checkpoint import load_checkpoint
from ckd_ros.network.export import example_inputs
from ckd_ros.network.siamese_student import SiameseStudent
from ckd_ros.network.student import CKDStudent

FEAR_XS = Path(__file__).parents[1] / "models" / "fear-xs.safetensors"


def lively(config):
    """A student whose BatchNorms have seen data, so that folding them wrongly shows."""
    torch.manual_seed(0)
    model = CKDStudent(config).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight, 1.0, 0.3)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
    with torch.no_grad():
        model(*(torch.cat([x, x.roll(1, -1)]) if x.ndim == 4 else x.repeat(2, 1) for x in example_inputs(config)))
    return model.eval()


def side_by_side(config):
    """A Siamese student whose branches track and whose coupling has learned nothing yet."""
    torch.manual_seed(0)
    student = SiameseStudent(config)
    student.init_from_tracker(load_checkpoint(FEAR_XS)[0])
    return student.eval()


def coupled(config):
    """The same with a coupling that does something."""
    student = side_by_side(config)
    for parameter in student.coupling.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.03)
    return student


def lively_siamese(config):
    """A Siamese student whose branches differ and are coupled, as after training."""
    torch.manual_seed(0)
    model = SiameseStudent(config).eval()
    with torch.no_grad():
        for layer in (model.coupling.to_rgb, model.coupling.to_tir, model.coupling.gate[-1]):
            torch.nn.init.normal_(layer.weight, 0.0, 0.05)
            torch.nn.init.normal_(layer.bias, 0.0, 0.3)
    return model
