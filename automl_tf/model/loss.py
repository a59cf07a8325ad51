"""Label-smoothed cross entropy that never holds the logits of all tokens.

The output layer is the largest matrix product of a small model, and the logits are its largest
tensor. Their gradient is simple (softmax minus target), so it is made together with the loss, a
chunk of tokens at a time, while the chunk is still in the processor's cache.

Shapes: B sentences, T target positions, N tokens, C tokens of a chunk, D width, V ids that can be
produced.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# Below this probability a logarithm taken after the softmax is not exact.
SMALLEST_PROBABILITY = 1e-30
CHUNK = 512
"""Tokens whose logits are held at once."""


class Loss(NamedTuple):
    """Means over the real tokens, as scalars in fp32.

    Attributes:
        smoothed: Cross entropy with the smoothed targets, to be minimised.
        nll: Negative log-likelihood of the targets in nats, without a gradient.
    """

    smoothed: Tensor
    nll: Tensor


def label_smoothed_cross_entropy(
    hidden_BTD: Tensor,
    weight_VD: Tensor,
    targets_BT: Tensor,
    smoothing: float,
    pad_id: int = 0,
    chunk: int = CHUNK,
) -> Loss:
    """Cross entropy with label smoothing (Szegedy et al. 2016; Vaswani et al. 2017, section 5.4).

    A share of the target distribution is spread evenly over all ids that can be produced, like
    the option of the same name of ``torch.nn.functional.cross_entropy``. In fp32 loss and
    gradients equal that function's up to rounding. In bf16 each logit and each probability is
    rounded to bf16 (relative error 2^-9), while sums over ids, tokens and chunks are kept in
    fp32.

    Args:
        hidden_BTD: The decoder's output.
        weight_VD: The output layer's weight.
        targets_BT: The next token at each position.
        smoothing: Share that is spread evenly.
        pad_id: Id of the targets that do not count.
        chunk: Tokens whose logits are held at once.
    """
    hidden_ND, targets_N = hidden_BTD.flatten(0, -2), targets_BT.flatten()
    is_real_N = targets_N != pad_id
    # Leaving rows out saves work; on a GPU it would cost a wait for their number.
    if not is_real_N.is_cuda and not bool(is_real_N.all()):
        rows_N = is_real_N.nonzero()[:, 0]
        hidden_ND, targets_N = hidden_ND.index_select(0, rows_N), targets_N[rows_N]
        is_real_N = is_real_N[rows_N]
    share_N = is_real_N.float() / is_real_N.sum().clamp_min(1)
    tokens = _Tokens(hidden_ND, targets_N, share_N)
    if torch.is_grad_enabled() and (hidden_ND.requires_grad or weight_VD.requires_grad):
        return Loss(
            *_ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
                *tokens, weight_VD, smoothing, chunk
            )
        )
    return _sum_of_chunks(tokens, weight_VD, smoothing, chunk, None)


class _Tokens(NamedTuple):
    """Tokens, each with its share of the mean (zero for padding)."""

    hidden_ND: Tensor
    targets_N: Tensor
    share_N: Tensor


class _Gradients:
    """The gradients of the loss, filled in chunk by chunk."""

    def __init__(self, hidden_ND: Tensor, weight_VD: Tensor) -> None:
        self.hidden_ND = torch.empty_like(hidden_ND)
        self.weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32)

    def add(
        self, start: int, tokens: _Tokens, error_CV: Tensor, weight_VD: Tensor, uniform_D: Tensor
    ) -> None:
        """Adds a chunk from its error: softmax minus target, less the evenly spread share.

        That share is the same for all ids, so that it enters as a vector (``uniform_D``, its
        product with the weights) and, at the end, as one sum.
        """
        hidden_CD = (error_CV @ weight_VD - uniform_D) * tokens.share_N[:, None]
        self.hidden_ND[start : start + len(hidden_CD)] = hidden_CD
        self.weight_VD += error_CV.t() @ (tokens.hidden_ND * tokens.share_N[:, None]).to(error_CV)

    def finish(self, tokens: _Tokens, spread: float) -> None:
        """Takes from the weights' gradient what each id owes to the even spread."""
        self.weight_VD -= spread * (tokens.share_N @ tokens.hidden_ND.float())


def _sum_of_chunks(
    tokens: _Tokens,
    weight_VD: Tensor,
    smoothing: float,
    chunk: int,
    gradients: _Gradients | None,
) -> Loss:
    """The loss, and its gradients if there is somewhere to put them."""
    mean_weight_D = weight_VD.mean(dim=0, dtype=torch.float32)
    smoothed, nll = tokens.share_N.new_zeros(2).unbind()
    for start in range(0, len(tokens.hidden_ND), chunk):
        part = _Tokens(*(tensor[start : start + chunk] for tensor in tokens))
        targets_C1 = part.targets_N[:, None]
        logits_CV = part.hidden_ND @ weight_VD.t()
        probability_CV = torch.softmax(logits_CV, dim=-1)
        log_norm_C = _log_norm(logits_CV, probability_CV, targets_C1)
        nll_C = log_norm_C - logits_CV.gather(1, targets_C1)[:, 0]
        uniform_C = log_norm_C - part.hidden_ND.float() @ mean_weight_D
        nll = nll + nll_C @ part.share_N
        smoothed = smoothed + ((1 - smoothing) * nll_C + smoothing * uniform_C) @ part.share_N
        if gradients is not None:
            # `scatter_` would copy the whole chunk on the CPU.
            target_of_C = (torch.arange(len(targets_C1), device=targets_C1.device), part.targets_N)
            certain_C = probability_CV[target_of_C] - (1 - smoothing)
            error_CV = probability_CV.index_put_(target_of_C, certain_C)
            gradients.add(start, part, error_CV, weight_VD, smoothing * mean_weight_D)
    if gradients is not None:
        gradients.finish(tokens, smoothing / len(weight_VD))
    return Loss(smoothed, nll)


def _log_norm(logits_CV: Tensor, probability_CV: Tensor, targets_C1: Tensor) -> Tensor:
    """Logarithm of the softmax's denominator in fp32.

    It follows from one logit and its probability, without another pass over all ids, unless
    that probability vanishes.
    """
    probability_C = probability_CV.gather(1, targets_C1)[:, 0].float()
    log_norm_C = logits_CV.gather(1, targets_C1)[:, 0].float() - probability_C.log()
    is_lost_C = probability_C < SMALLEST_PROBABILITY
    if is_lost_C.is_cuda or bool(is_lost_C.any()):
        return torch.where(is_lost_C, logits_CV.float().logsumexp(dim=-1), log_norm_C)
    return log_norm_C


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Loss and gradients in one pass; the backward pass only scales."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        hidden_ND: Tensor,
        targets_N: Tensor,
        share_N: Tensor,
        weight_VD: Tensor,
        smoothing: float,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        tokens, gradients = _Tokens(hidden_ND, targets_N, share_N), _Gradients(hidden_ND, weight_VD)
        loss = _sum_of_chunks(tokens, weight_VD, smoothing, chunk, gradients)
        ctx.save_for_backward(gradients.hidden_ND, gradients.weight_VD.to(weight_VD.dtype))
        ctx.mark_non_differentiable(loss.nll)
        return loss.smoothed, loss.nll

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, incoming: Tensor, _nll: Tensor
    ) -> tuple[Tensor, None, None, Tensor, None, None]:
        hidden_ND, weight_VD = ctx.saved_tensors  # type: ignore[attr-defined]
        return hidden_ND * incoming, None, None, weight_VD * incoming, None, None
