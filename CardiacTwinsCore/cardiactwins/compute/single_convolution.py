"""Convolutions of one small volume on a processor, kept on the fast path."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["keep_single_convolutions_fast"]


def keep_single_convolutions_fast(network: nn.Module) -> None:
    """Let the 3D convolutions of a network use oneDNN for a batch of one too, where no gradient is asked for.

    PyTorch leaves oneDNN for a plain loop when a batch of one has fewer than 20,480 rows (channels x depth x
    height), as most layers here do; two data then take as long as one.
    """
    from torch import nn

    for module in network.modules():
        if type(module) is nn.Conv3d and module.padding_mode == "zeros" and module.padding != "same":
            module._conv_forward = MethodType(_convolved, module)


def _convolved(layer: nn.Conv3d, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    import torch

    plain = given.device.type == "cpu" and given.dtype == weight.dtype == torch.float32
    learns = torch.is_grad_enabled() and (given.requires_grad or weight.requires_grad)
    if len(given) == 1 and plain and not learns and not torch.is_autocast_enabled("cpu"):
        return torch.mkldnn_convolution(
            given, weight, bias, layer.padding, layer.stride, layer.dilation, layer.groups
        )
    return torch.nn.Conv3d._conv_forward(layer, given, weight, bias)
