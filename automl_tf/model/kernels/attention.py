"""Scaled dot-product attention of whole sequences.

On a GPU torch's fused kernels are the fastest. On the CPU their backward is not: there these are
batched products of matrices that lie head by head, and a softmax of rows that fill a vector
register.

Shapes: B sentences, T query positions, S key positions, L key positions filled up to a vector of
the processor, H heads, K width of a head's queries and keys (d_k), V width of a head's values
(d_v), X either of both, N matrices side by side (one for each head of each sentence).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from automl_tf.compat import softmax_backward
from automl_tf.device import is_gpu
from automl_tf.model.kernels.dropout import dropout_mask
from automl_tf.model.masks import additive, causal_mask

# On the CPU the fused kernel's backward is many times slower than plain products at the length of
# a sentence (in bf16); beyond this length the products' quadratic memory weighs more.
LONGEST_PLAIN_PRODUCT = 512
FEW_QUERIES = 8
"""Queries up to which copies cost more than they save, as in a step of decoding."""
# A softmax of rows that are shorter than a vector of the processor takes four times as long as one
# of rows filled up to it, its backward ten times.
VECTOR_BYTES = 64


def fused_attention(
    query_BHTK: Tensor,
    key_BHSK: Tensor,
    value_BHSV: Tensor,
    mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    drop: float = 0.0,
) -> Tensor:
    """softmax(Q K^T / sqrt(d_k) + M) V, BHTV; see `attention.scaled_dot_product_attention`.

    The heads of a position may lie side by side, as projections leave them; those of the result do.
    """
    num_queries, num_keys = query_BHTK.shape[2], key_BHSK.shape[2]
    if num_queries <= FEW_QUERIES and not (is_causal or drop or torch.is_grad_enabled()):
        return _attend_once(query_BHTK, key_BHSK, value_BHSV, mask)
    if is_gpu(query_BHTK) or max(num_queries, num_keys) > LONGEST_PLAIN_PRODUCT:
        return F.scaled_dot_product_attention(
            query_BHTK, key_BHSK, value_BHSV, mask, drop, is_causal
        )
    bias = causal_mask(num_queries, like=query_BHTK) if is_causal else mask
    if bias is not None:
        bias = additive(bias, query_BHTK.dtype)
    mixed_BHTV: Tensor = _CPUAttention.apply(  # type: ignore[no-untyped-call]
        query_BHTK, key_BHSK, value_BHSV, bias, drop
    )
    return mixed_BHTV


def _attend_once(
    query_BHTK: Tensor, key_BHSK: Tensor, value_BHSV: Tensor, mask: Tensor | None
) -> Tensor:
    """Attention of few queries without gradients, in as few calls as there can be.

    A cache may keep keys and values in fp32 beside a model in bf16.
    """
    if key_BHSK.dtype == torch.bfloat16 and query_BHTK.shape[2] == 1 and not is_gpu(key_BHSK):
        return F.scaled_dot_product_attention(query_BHTK, key_BHSK, value_BHSV, mask)
    query_NTK, key_NKS = query_BHTK.flatten(0, 1).to(key_BHSK.dtype), key_BHSK.flatten(0, 1).mT
    scale = query_BHTK.shape[-1] ** -0.5
    if mask is None:
        scores_NTS = torch.bmm(query_NTK * scale, key_NKS)
    else:
        if mask.dim() > query_NTK.dim():
            if mask.shape[1] == 1:
                mask = mask.expand(-1, key_BHSK.shape[1], -1, -1)
            mask = mask.flatten(0, 1)
        scores_NTS = torch.baddbmm(additive(mask, query_NTK.dtype), query_NTK, key_NKS, alpha=scale)
    mixed_NTV = torch.bmm(torch.softmax(scores_NTS, dim=-1), value_BHSV.flatten(0, 1))
    return mixed_NTV.to(query_BHTK.dtype).view(*query_BHTK.shape[:3], -1)


class _CPUAttention(torch.autograd.Function):
    """Attention as plain products of each head's own matrices and a softmax."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context takes any attribute
        query_BHTK: Tensor,
        key_BHSK: Tensor,
        value_BHSV: Tensor,
        bias: Tensor | None,
        drop: float,
    ) -> Tensor:
        num_heads, num_keys, key_width = key_BHSK.shape[1:]
        length = max(num_keys, VECTOR_BYTES // key_BHSK.element_size())
        query_NTK = _heads_first(query_BHTK).mul_(key_width**-0.5)
        key_NLK, value_NLV = _heads_first(key_BHSK, length), _heads_first(value_BHSV, length)
        scores_NTL = torch.bmm(query_NTK, key_NLK.mT)
        if bias is not None:
            scores_BHTL = scores_NTL.view(-1, num_heads, *scores_NTL.shape[1:])
            scores_BHTL += F.pad(bias, (0, length - num_keys), value=-torch.inf)
        elif length > num_keys:
            scores_NTL[..., num_keys:] = -torch.inf
        weights_NTL = torch.softmax(scores_NTL, dim=-1)
        mask_NTL = dropout_mask(weights_NTL, drop) if drop > 0 else None
        dropped_NTL = weights_NTL if mask_NTL is None else weights_NTL * mask_NTL
        mixed_NTV = torch.bmm(dropped_NTL, value_NLV)
        ctx.save_for_backward(query_NTK, key_NLK, value_NLV, weights_NTL, mask_NTL)
        ctx.num_heads, ctx.num_keys = num_heads, num_keys
        return _heads_last(mixed_NTV, num_heads, mixed_NTV.shape[1])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        incoming_BHTV: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query_NTK, key_NLK, value_NLV, weights_NTL, mask_NTL = ctx.saved_tensors
        num_queries, key_width = query_NTK.shape[1:]
        incoming_NTV = _heads_first(incoming_BHTV)
        weights_grad_NTL = torch.bmm(incoming_NTV, value_NLV.mT)
        dropped_NTL = weights_NTL
        if mask_NTL is not None:
            dropped_NTL = weights_NTL * mask_NTL
            weights_grad_NTL *= mask_NTL
        value_grad_NLV = torch.bmm(dropped_NTL.mT, incoming_NTV)
        scores_grad_NTL = softmax_backward(weights_grad_NTL, weights_NTL)
        query_grad_NTK = torch.bmm(scores_grad_NTL, key_NLK).mul_(key_width**-0.5)
        key_grad_NLK = torch.bmm(scores_grad_NTL.mT, query_NTK)
        return (
            _heads_last(query_grad_NTK, ctx.num_heads, num_queries),
            _heads_last(key_grad_NLK, ctx.num_heads, ctx.num_keys),
            _heads_last(value_grad_NLV, ctx.num_heads, ctx.num_keys),
            None,
            None,
        )


def _heads_first(x_BHTX: Tensor, length: int | None = None) -> Tensor:
    """A copy with one matrix for each head of each sentence, filled up with zeros, NTX."""
    num_sentences, num_heads, num_positions, width = x_BHTX.shape
    length = length or num_positions
    copy_BHTX = x_BHTX.new_empty(num_sentences, num_heads, length, width)
    copy_BHTX[:, :, :num_positions] = x_BHTX
    if length > num_positions:
        copy_BHTX[:, :, num_positions:] = 0.0
    return copy_BHTX.flatten(0, 1)


def _heads_last(x_NTX: Tensor, num_heads: int, length: int) -> Tensor:
    """A copy of the first positions in which the heads of each lie side by side, BHTX."""
    x_BTHX = x_NTX.view(-1, num_heads, *x_NTX.shape[1:]).transpose(1, 2)
    return x_BTHX[:, :length].contiguous().transpose(1, 2)
