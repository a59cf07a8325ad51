"""How fast a core could train: the arithmetic of a model and the speed of large matrix products."""

import time

import numpy as np
import torch

from automl_tf.data.encoded import EncodedSplit
from handwritten import Shape

PRODUCT_SIZES = (1024, 2048)
PRODUCTS = 12
PASSES = 3
"""A backward pass makes two products for each one of the forward pass."""


def peak_flops(dtype: torch.dtype) -> float:
    """The best rate of products of large square matrices, in floating-point operations a second."""
    return max(_product_flops(size, dtype) for size in PRODUCT_SIZES)


def _product_flops(size: int, dtype: torch.dtype) -> float:
    left, right = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    torch.mm(left, right)
    rates = []
    for _ in range(PRODUCTS):
        started = time.process_time()
        torch.mm(left, right)
        rates.append(2 * size**3 / (time.process_time() - started))
    return max(rates)


def flops_a_target_token(shape: Shape, split: EncodedSplit, num_outputs: int) -> float:
    """Floating-point operations of the matrix products of training, a target token.

    No padding is counted, and of the decoder's self-attention only what stands in the past.

    Args:
        shape: The model.
        split: The sentences, whose lengths decide the cost of attention.
        num_outputs: Rows of the output layer.
    """
    source, target = split.source.lengths + 1, split.target.lengths + 1
    square, feed_forward = shape.d_model**2, 2 * shape.d_model * shape.d_ff
    encoder = source * (4 * square + feed_forward) + 2 * source * source * shape.d_model
    decoder = target * (6 * square + feed_forward) + 2 * source * square
    looking_back = target * (target + 1) + 2 * source * target
    layers = shape.layers * (encoder + decoder + looking_back * shape.d_model)
    output = target * shape.d_model * num_outputs
    products = float(np.sum(layers + output))
    return 2 * PASSES * products / float(np.sum(target))
