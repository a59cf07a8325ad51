"""Private APIs of torch, Lightning and sacrebleu, each behind one function.

No other module uses them. ``tests/test_compat.py`` fails when a version lacks one or changes what
it does; ``.ci/run`` runs it with the lowest versions that pyproject.toml allows too. Those of
Optuna stand in ``search/optuna_compat.py``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    import lightning as L
    from sacrebleu.metrics.base import Metric, Score


def softmax_backward(gradient: Tensor, softmax: Tensor) -> Tensor:
    """Returns the gradient of a softmax's input over the last dimension, as autograd does.

    Args:
        gradient: Gradient of the softmax.
        softmax: What the softmax returned, of the same type.
    """
    return torch._softmax_backward_data(gradient, softmax, -1, softmax.dtype)  # noqa: SLF001


def copy_each(places: tuple[Tensor, ...], tensors: tuple[Tensor, ...]) -> None:
    """Copies tensors into places of the same shapes, all by one call."""
    torch._foreach_copy_(places, tensors)


def add_each(places: tuple[Tensor, ...], tensors: tuple[Tensor, ...]) -> None:
    """Adds tensors to those in places of the same shapes, all by one call."""
    torch._foreach_add_(places, tensors)


def ignore_signals(trainer: "L.Trainer") -> None:
    """Keeps a trainer from handling signals: it would end the process on SIGTERM."""
    connector = trainer._signal_connector  # noqa: SLF001
    assert callable(connector.register_signal_handlers)
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]


def confidence_interval(score: "Score") -> float:
    """Returns half the width of a score's bootstrap interval; public is only its rounded text."""
    return float(score._ci)  # noqa: SLF001


def unify_scores(metric: "Metric") -> None:
    """Makes the scores of a metric's bootstrap samples numbers of one type.

    sacrebleu's chrF is an int or a float where nothing matches and else of NumPy's float32, of
    which ``statistics.mean`` takes no mixture.
    """
    score_of = metric._compute_score_from_stats  # noqa: SLF001

    def of_one_type(counts: Any) -> "Score":  # noqa: ANN401 - a list or an array
        score: Score = score_of(counts)
        if isinstance(counts, np.ndarray):
            score.score = counts.dtype.type(score.score)
        return score

    metric._compute_score_from_stats = of_one_type  # type: ignore[method-assign,assignment] # noqa: SLF001


def sentence_counts(metric: "Metric", hypotheses: Sequence[str]) -> list[list[int]]:
    """Returns what a metric counts in each hypothesis, the numbers that its score is made of.

    The public way would count the n-grams of every reference again.

    Args:
        metric: A metric that was built with its references.
        hypotheses: One for each reference, or for each of the first.
    """
    return metric._extract_corpus_statistics(list(hypotheses), None)  # type: ignore[no-any-return] # noqa: SLF001


def packed_weight(weight: Tensor) -> Tensor | None:
    """Returns the weight of a linear layer on the CPU as `packed_linear` takes it.

    Returns:
        A copy, or None if this processor or build of torch has no such product in bf16.
    """
    # A build without oneDNN has no such operators.
    is_supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    if is_supported is None or not is_supported():
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight)  # noqa: SLF001
    return packed


def packed_linear(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    """Returns x W^T + b for a packed W, in the type of x, which is that of W."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")  # noqa: SLF001
    return product
