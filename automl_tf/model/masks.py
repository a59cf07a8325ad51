"""Which keys a query may look at (Vaswani et al. 2017, section 3.2.3).

A mask is of one of two kinds: boolean, True where a query may look at a key, or numbers that are
added to the scores before the softmax, minus infinity where it may not.

Shapes: B sentences, T positions of a sequence, S key positions.
"""

import torch
from torch import Tensor


def causal_mask(length: int, like: Tensor) -> Tensor:
    """The matrix M with minus infinity above the diagonal and zero elsewhere, TT.

    Added to the scores, it keeps position t from what stands behind it: exp(-inf) = 0.

    Args:
        length: Positions of the sequence.
        like: A tensor of the wanted type, on the wanted device.
    """
    minus_infinity_TT = torch.full(
        (length, length), -torch.inf, dtype=like.dtype, device=like.device
    )
    return minus_infinity_TT.triu_(diagonal=1)


def padding_mask(tokens_BS: Tensor, pad_id: int) -> Tensor:
    """True at the keys that are tokens, False at padding, B11S.

    The softmax of a row without a single key has no value, so that a sentence of nothing but
    padding keeps all its keys.

    Args:
        tokens_BS: Ids of the keys' tokens.
        pad_id: Id of padding.
    """
    is_token_BS = tokens_BS != pad_id
    is_empty_B1 = ~is_token_BS.any(dim=1, keepdim=True)
    return (is_token_BS | is_empty_B1)[:, None, None, :]


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask of either kind as numbers to be added to scores of a floating type.

    For False this is the lowest finite number: a softmax makes zero of it, but stays finite even in
    a row that has nothing else.
    """
    if mask.dtype != torch.bool:
        return mask
    zeros = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return zeros.masked_fill_(~mask, torch.finfo(dtype).min)
