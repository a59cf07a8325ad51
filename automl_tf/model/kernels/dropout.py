"""Dropout (Srivastava et al. 2014) that is quick on the CPU."""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

from automl_tf.device import is_gpu

SMALLEST_TABLE = 2**22
"""Masks in the smallest table; a table holds at least four times those of the tensor at hand."""


def dropout(x: Tensor, probability: float, *, training: bool) -> Tensor:
    """Sets random units to zero and scales the others up, so that the mean stays.

    Args:
        x: Any tensor in floating point.
        probability: Probability of dropping a unit, below one.
        training: Whether to drop anything at all.
    """
    if not training or probability == 0.0:
        return x
    if _is_fast_elsewhere(x):
        return F.dropout(x, probability)
    return x * dropout_mask(x, probability)


def add_dropped(x: Tensor, y: Tensor, probability: float, *, training: bool) -> Tensor:
    """The sum of x and of what dropout leaves of y, in one pass."""
    if not training or probability == 0.0 or _is_fast_elsewhere(x):
        return x + dropout(y, probability, training=training)
    return torch.addcmul(x, y, dropout_mask(y, probability))


def dropout_mask(like: Tensor, probability: float) -> Tensor:
    """What dropout multiplies a tensor by: zeros, and else one over the share kept.

    Drawing the units one by one costs more than some of the layers around them. So they are drawn
    once into a table, the same in every process, of which torch's random state picks a window.
    """
    if _is_fast_elsewhere(like):
        return F.dropout(torch.ones_like(like), probability)
    size = table_size(like.numel())
    start = int(torch.randint(size - like.numel(), ()))
    return _table(size, probability, like.dtype)[start : start + like.numel()].view(like.shape)


def table_size(number: int) -> int:
    """Masks in the table from which so many are drawn at once."""
    return max(SMALLEST_TABLE, 1 << (4 * number - 1).bit_length())


def _is_fast_elsewhere(x: Tensor) -> bool:
    """Whether torch's own dropout costs next to nothing: on a GPU, or fused by its compiler."""
    return is_gpu(x) or torch.compiler.is_compiling()


@functools.lru_cache(maxsize=4)
def _table(size: int, probability: float, dtype: torch.dtype) -> Tensor:
    uniform = torch.rand(size, generator=torch.Generator().manual_seed(0))
    return (uniform >= probability).to(dtype).mul_(1.0 / (1.0 - probability))
