"""Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

Queries, keys and values come as the projections leave them: a position's heads side by side.

Shapes: B sentences, Q query positions, S key positions, L key positions filled up to a vector of
the processor, T positions of either, H heads, K width of a head's queries and keys (d_k),
V width of a head's values (d_v), X either of both, N matrices side by side (one for each head of
each sentence).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from automl_tf.model.dropout import dropout_mask

# On the CPU the fused kernel's backward is many times slower than plain products at the length of
# a sentence (in bf16); beyond this length the products' quadratic memory weighs more.
LONGEST_PLAIN_PRODUCT = 512
# A softmax of rows that are shorter than a vector of the processor takes four times as long as one
# of rows filled up to it, its backward ten times.
VECTOR_BYTES = 64


def attend(
    query_BQHK: Tensor,
    key_BSHK: Tensor,
    value_BSHV: Tensor,
    padding_B11S: Tensor | None = None,
    *,
    is_causal: bool = False,
    drop: float = 0.0,
) -> Tensor:
    """Scaled dot-product attention of several heads.

    Args:
        query_BQHK: Queries.
        key_BSHK: Keys.
        value_BSHV: Values.
        padding_B11S: What `padding_bias` gives, or None if there is no padding.
        is_causal: Whether a query sees the keys up to its own position only (section 3.2.3).
        drop: Probability of dropping an attention weight.

    Returns:
        The values' weighted sums, BQHV.
    """
    assert padding_B11S is None or not is_causal, "padding after the end is in the future anyway"
    num_queries, num_keys = query_BQHK.shape[1], key_BSHK.shape[1]
    if query_BQHK.is_cuda or max(num_queries, num_keys) > LONGEST_PLAIN_PRODUCT:
        mixed_BHQV = F.scaled_dot_product_attention(
            query_BQHK.transpose(1, 2),
            key_BSHK.transpose(1, 2),
            value_BSHV.transpose(1, 2),
            padding_B11S,
            drop,
            is_causal,
        )
        return mixed_BHQV.transpose(1, 2)
    bias = future_bias(num_queries, like=query_BQHK) if is_causal else padding_B11S
    mixed_BQHV: Tensor = _PlainAttention.apply(  # type: ignore[no-untyped-call]
        query_BQHK, key_BSHK, value_BSHV, bias, drop
    )
    return mixed_BQHV


def future_bias(length: int, like: Tensor) -> Tensor:
    """The matrix that hides the future: minus infinity above the diagonal, zero elsewhere."""
    bias_QS = torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device)
    return bias_QS.triu_(1)


def padding_bias(is_padding_BS: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores of padded keys, B11S.

    The lowest finite number has the effect of minus infinity, yet a row with nothing but padding
    stays finite.
    """
    bias_BS = torch.zeros(is_padding_BS.shape, dtype=dtype, device=is_padding_BS.device)
    return bias_BS.masked_fill_(is_padding_BS, torch.finfo(dtype).min)[:, None, None, :]


class _PlainAttention(torch.autograd.Function):
    """Attention as plain products of each head's own matrices and a softmax."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's context takes any attribute
        query_BQHK: Tensor,
        key_BSHK: Tensor,
        value_BSHV: Tensor,
        bias: Tensor | None,
        drop: float,
    ) -> Tensor:
        num_keys, num_heads, key_width = key_BSHK.shape[1:]
        length = max(num_keys, VECTOR_BYTES // key_BSHK.element_size())
        query_NQK = _heads_first(query_BQHK).mul_(key_width**-0.5)
        key_NLK, value_NLV = _heads_first(key_BSHK, length), _heads_first(value_BSHV, length)
        scores_NQL = torch.bmm(query_NQK, key_NLK.mT)
        if bias is not None:
            scores_BHQL = scores_NQL.view(-1, num_heads, *scores_NQL.shape[1:])
            scores_BHQL += F.pad(bias, (0, length - num_keys), value=-torch.inf)
        elif length > num_keys:
            scores_NQL[..., num_keys:] = -torch.inf
        weights_NQL = torch.softmax(scores_NQL, dim=-1)
        mask_NQL = dropout_mask(weights_NQL, drop) if drop > 0 else None
        dropped_NQL = weights_NQL if mask_NQL is None else weights_NQL * mask_NQL
        mixed_NQV = torch.bmm(dropped_NQL, value_NLV)
        ctx.save_for_backward(query_NQK, key_NLK, value_NLV, weights_NQL, mask_NQL)
        ctx.num_heads, ctx.num_keys = num_heads, num_keys
        return _heads_last(mixed_NQV, num_heads, mixed_NQV.shape[1])

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        incoming_BQHV: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query_NQK, key_NLK, value_NLV, weights_NQL, mask_NQL = ctx.saved_tensors
        num_queries, key_width = query_NQK.shape[1:]
        incoming_NQV = _heads_first(incoming_BQHV)
        weights_grad_NQL = torch.bmm(incoming_NQV, value_NLV.mT)
        dropped_NQL = weights_NQL
        if mask_NQL is not None:
            dropped_NQL = weights_NQL * mask_NQL
            weights_grad_NQL *= mask_NQL
        value_grad_NLV = torch.bmm(dropped_NQL.mT, incoming_NQV)
        scores_grad_NQL = torch._softmax_backward_data(  # noqa: SLF001 - what autograd calls
            weights_grad_NQL, weights_NQL, -1, weights_NQL.dtype
        )
        query_grad_NQK = torch.bmm(scores_grad_NQL, key_NLK).mul_(key_width**-0.5)
        key_grad_NLK = torch.bmm(scores_grad_NQL.mT, query_NQK)
        return (
            _heads_last(query_grad_NQK, ctx.num_heads, num_queries),
            _heads_last(key_grad_NLK, ctx.num_heads, ctx.num_keys),
            _heads_last(value_grad_NLV, ctx.num_heads, ctx.num_keys),
            None,
            None,
        )


def _heads_first(x_BTHX: Tensor, length: int | None = None) -> Tensor:
    """A copy with one matrix for each head of each sentence, filled up with zeros, NTX."""
    num_sentences, num_positions, num_heads, width = x_BTHX.shape
    length = length or num_positions
    copy_BHTX = x_BTHX.new_empty(num_sentences, num_heads, length, width)
    copy_BHTX[:, :, :num_positions] = x_BTHX.transpose(1, 2)
    if length > num_positions:
        copy_BHTX[:, :, num_positions:] = 0.0
    return copy_BHTX.flatten(0, 1)


def _heads_last(x_NTX: Tensor, num_heads: int, length: int) -> Tensor:
    """A copy of the first positions with the heads of each side by side, BTHX."""
    x_BTHX = x_NTX.view(-1, num_heads, *x_NTX.shape[1:]).transpose(1, 2)
    return x_BTHX[:, :length].contiguous()
