"""Cross entropy that never holds the logits of all tokens.

The output layer is the largest matrix product of a small model, and the logits are its largest
tensor. Their gradient is simple (softmax minus target), so it is made together with the loss, a
chunk of tokens at a time: on the CPU while the chunk is still in the processor's cache, on a GPU
with as many tokens as memory admits.

Shapes: N tokens, C tokens of a chunk, D width, V ids that can be produced.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from automl_tf.device import is_gpu

# Below this probability a logarithm taken after the softmax is not exact.
SMALLEST_PROBABILITY = 1e-30
CHUNK = 512
"""Tokens whose logits are held at once on the CPU."""
GPU_CHUNK_BYTES = 2**27
"""Bytes of the logits that are held at once on a GPU: there each chunk costs launches."""


def chunk_tokens(num_outputs: int, unit_bytes: int, *, on_gpu: bool) -> int:
    """Tokens whose logits are held at once.

    Args:
        num_outputs: Ids that can be produced.
        unit_bytes: Bytes of a logit.
        on_gpu: Whether a GPU computes.
    """
    return max(CHUNK, GPU_CHUNK_BYTES // (num_outputs * unit_bytes)) if on_gpu else CHUNK


def chunked_cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    share_N: Tensor,
    smoothing: float,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The two numbers of `loss.Loss`, each token with its share of the mean.

    Args:
        hidden_ND: The decoder's output.
        weight_VD: The generator's matrix.
        targets_N: The next token at each position.
        share_N: What a token's loss is multiplied by, in fp32; zero for padding.
        smoothing: Share of the target distribution that is spread evenly.
        chunk: Tokens whose logits are held at once; `chunk_tokens` when not given.
    """
    if chunk is None:
        chunk = chunk_tokens(len(weight_VD), weight_VD.element_size(), on_gpu=is_gpu(hidden_ND))
    tokens = _Tokens(hidden_ND, targets_N, share_N)
    if torch.is_grad_enabled() and (hidden_ND.requires_grad or weight_VD.requires_grad):
        losses: tuple[Tensor, Tensor] = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            *tokens, weight_VD, smoothing, chunk
        )
        return losses
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
) -> tuple[Tensor, Tensor]:
    """The losses, and the gradients of the first if there is somewhere to put them."""
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
    return smoothed, nll


def _log_norm(logits_CV: Tensor, probability_CV: Tensor, targets_C1: Tensor) -> Tensor:
    """Logarithm of the softmax's denominator in fp32.

    It follows from one logit and its probability, without another pass over all ids, unless
    that probability vanishes.
    """
    probability_C = probability_CV.gather(1, targets_C1)[:, 0].float()
    log_norm_C = logits_CV.gather(1, targets_C1)[:, 0].float() - probability_C.log()
    is_lost_C = probability_C < SMALLEST_PROBABILITY
    if is_gpu(is_lost_C) or bool(is_lost_C.any()):
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
        smoothed, nll = _sum_of_chunks(tokens, weight_VD, smoothing, chunk, gradients)
        ctx.save_for_backward(gradients.hidden_ND, gradients.weight_VD.to(weight_VD.dtype))
        ctx.mark_non_differentiable(nll)
        return smoothed, nll

    @staticmethod
    @once_differentiable
    def backward(
        ctx: FunctionCtx, incoming: Tensor, _nll: Tensor
    ) -> tuple[Tensor, None, None, Tensor, None, None]:
        hidden_ND, weight_VD = ctx.saved_tensors  # type: ignore[attr-defined]
        return hidden_ND * incoming, None, None, weight_VD * incoming, None, None
