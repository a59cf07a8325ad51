"""Dropout (Srivastava et al. 2014) that is quick on the CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor

_LEVELS = 2**16


def dropout(x: Tensor, probability: float, *, training: bool) -> Tensor:
    """Sets random units to zero and scales the others up, so that the mean stays.

    On the CPU, drawing the units one by one costs more than some of the layers around them. Each
    64-bit random number therefore decides on four units, whose probability is rounded to 16 bits.

    Args:
        x: Any tensor in floating point.
        probability: Probability of dropping a unit, below one.
        training: Whether to drop anything at all.
    """
    if not training or probability == 0.0:
        return x
    if x.is_cuda:
        return F.dropout(x, probability)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
    levels = words.random_(-(2**63), None).view(torch.int16)[: x.numel()].view(x.shape)
    lowest_kept = min(round(probability * _LEVELS), _LEVELS - 1) - _LEVELS // 2
    return x * ((levels >= lowest_kept) * (1.0 / (1.0 - probability))).to(x.dtype)
