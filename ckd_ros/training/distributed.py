"""Several processes as one: the same loss, gradients and BatchNorm statistics as if one had seen the whole batch.

Gradients are averaged over processes (DistributedDataParallel), so that every term of the loss must have the same
denominator in all of them: see `all_reduce_mean`. What is not the same as in one process is which samples drop path
drops: its random numbers are each process's own.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn

PRECISIONS = ("bf16", "fp16", "fp32")


def make_fabric(precision: str = "auto", sync_batch_norm: bool = True) -> Fabric:
    """Launch the training's processes: one, or as many as `torchrun` started, on one machine or several.

    precision: `bf16`, `fp16` (with a gradient scaler), `fp32` or `auto`, the best that the machine has.
    sync_batch_norm: the BatchNorm statistics are the same in all processes; otherwise those of the first process are
    sent to the others.
    """
    local, world = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), int(os.environ.get("WORLD_SIZE", 1))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fabric = Fabric(
        accelerator=device,
        devices=local,
        num_nodes=world // local,
        strategy=DDPStrategy(broadcast_buffers=not sync_batch_norm) if world > 1 else "auto",
        plugins=_precision(_best_precision() if precision == "auto" else precision, device),
    )
    fabric.launch()
    return fabric


def _precision(name: str, device: str) -> Precision:
    if name == "fp32":
        return Precision()
    if name == "bf16":
        return MixedPrecision("bf16-mixed", device)
    return MixedPrecision("16-mixed", device, torch.amp.GradScaler(device))


def _best_precision() -> str:
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    # A CPU without bfloat16 kernels has no half precision either: it would only be emulated.
    return "bf16" if _cpu_has_bf16_kernels() else "fp32"


def _cpu_has_bf16_kernels() -> bool:
    """Whether oneDNN multiplies bfloat16 matrices on this CPU: on x86 from AVX-512 on, on ARM with SVE and bfloat16."""
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() in ("AVX512", "SVE256")


def can_compile(device: torch.device) -> bool:
    """Whether `torch.compile` may be used: not on CPUs, where PyTorch 2.13 gave other gradients than without it.

    The loss was the same, the gradient of the stem's last convolution wrong by tens of percent; the traced graph, run
    without code generation, was right. On GPUs it has not been compared.
    """
    return device.type == "cuda"


def world_size() -> int:
    """The number of processes that share a batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def all_reduce_mean(value: Tensor) -> Tensor:
    """The mean of a value over all processes, detached; in a single process the value itself.

    If each process divides the sum over its part of the batch by the mean count instead of its own count, then the mean
    of the quotients is the sum over the whole batch divided by the count in the whole batch.
    """
    if world_size() == 1:
        return value
    total = value.detach().to(torch.float32, copy=True)
    dist.all_reduce(total)
    return total / world_size()


def convert_sync_batch_norm(model: nn.Module) -> None:
    """Replace the BatchNorm layers inside a model by ones that use the statistics of the whole batch.

    Names and weights stay the same. On GPUs these are PyTorch's `SyncBatchNorm`, which does not run on CPUs; there they
    are `CpuSyncBatchNorm`.
    """
    if torch.cuda.is_available():
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm2d:
                synced = CpuSyncBatchNorm(child.num_features, child.eps, child.momentum)
                synced.load_state_dict(child.state_dict())
                setattr(module, name, synced.train(child.training))


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the batches of all processes, on any device and backend; with running statistics and momentum."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same; B may differ between processes."""
        if not self.training:
            return super().forward(x)
        y, mean, var, count = _SyncBatchNorm.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        return y


class _SyncBatchNorm(torch.autograd.Function):
    """PyTorch's BatchNorm kernels for eval mode, given the statistics of all processes; two reductions per layer."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float):
        unused = torch.zeros_like(weight), torch.ones_like(weight)  # that they are float32 makes the statistics so
        mean, var = torch.batch_norm_update_stats(x, *unused, 0.0)  # each (C,), of the own batch
        mean, var = mean.double(), var.double()  # the variance is about to be a difference of large numbers
        count = torch.full_like(mean[:1], x.numel() / x.shape[1])
        sums = torch.cat([count * mean, count * (var + mean**2), count])
        dist.all_reduce(sums)
        count = sums[-1]
        mean, square = (sums[:-1] / count).chunk(2)
        mean, var = mean.float(), (square - mean**2).clamp(min=0).float()
        ctx.save_for_backward(x, weight, mean, var, count)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, var, count)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps), mean, var, count.float()

    @staticmethod
    def backward(ctx, gradient: Tensor, *_):
        x, weight, mean, var, count = ctx.saved_tensors
        # As if the statistics were constants: the gradients of weight and bias are complete, that of x lacks two terms.
        direct, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.cat([of_weight, of_bias]).float()
        dist.all_reduce(sums)
        factor = weight * (var + ctx.eps).rsqrt() / count.float()
        through_var, through_mean = sums.chunk(2)
        rest = F.batch_norm(x, mean, var, -factor * through_var, -factor * through_mean, False, 0.0, ctx.eps)
        return direct + rest, of_weight, of_bias, None
