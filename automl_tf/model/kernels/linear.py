"""Linear layers whose weights are laid out for the processor once, before many products.

oneDNN lays a weight of bf16 out anew in each product, and a bias is copied to every row of the
result first. In the steps of decoding, where weights are large beside their inputs, both are much
of a product's time.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from automl_tf.compat import packed_linear, packed_weight
from automl_tf.device import is_gpu


@contextmanager
def packed_linears(model: nn.Module) -> Iterator[None]:
    """Runs a model's linear layers with packed weights, those that they have now.

    It changes nothing where there is no such product. No gradients flow through it.
    """
    linears = [module for module in model.modules() if type(module) is nn.Linear]
    changed = []
    for linear in linears:
        weight = linear.weight.detach()
        if weight.dtype != torch.bfloat16 or is_gpu(weight):
            continue
        packed = packed_weight(weight)
        if packed is None:
            break
        # The layer's own attribute goes before the method of its class.
        linear.forward = _PackedLinear(packed, linear.bias)  # type: ignore[method-assign, assignment]
        changed.append(linear)
    try:
        yield
    finally:
        for linear in changed:
            vars(linear).pop("forward", None)


class _PackedLinear:
    """x W^T + b with a packed W."""

    def __init__(self, packed: Tensor, bias: Tensor | None) -> None:
        self._packed = packed
        self._bias = None if bias is None else bias.detach()

    def __call__(self, x: Tensor) -> Tensor:
        return packed_linear(x, self._packed, self._bias)
