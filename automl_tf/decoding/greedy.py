"""Greedy search: always the likeliest next token.

Shapes: B sentences, S source positions, T target positions, R rows not yet dropped.
"""

import torch
from torch import Tensor

from automl_tf.decoding.rules import Hypothesis, Rules
from automl_tf.model.transformer import Transformer

# Dropping rows copies the cache; fewer finished rows than this cost less when carried along.
LARGEST_LIVE_SHARE = 0.9


def greedy_search(
    model: Transformer, source_BS: Tensor, limits_B: Tensor, rules: Rules
) -> list[Hypothesis]:
    """Translates a batch of sentences.

    Args:
        model: The model, in evaluation mode.
        source_BS: Source ids with their end symbols, padded at the end.
        limits_B: Most tokens of each translation, its end symbol not counted.
        rules: What may be produced.
    """
    max_steps, shortest_limit = int(limits_B.max()) + 1, int(limits_B.min())
    cache = model.start(model.encode(source_BS), max_steps)
    tokens_TB = source_BS.new_full((max_steps, len(source_BS)), rules.eos)
    scores_TB = torch.zeros(tokens_TB.shape, dtype=torch.float32, device=source_BS.device)
    rows_R = torch.arange(len(source_BS), device=source_BS.device)
    tokens_R = torch.full_like(rows_R, rules.bos)
    is_live_R = torch.ones_like(rows_R, dtype=torch.bool)
    for length in range(max_steps):
        logits_RV = model.step(tokens_R, cache)
        log_probability_RV = rules.log_probabilities(
            logits_RV, length, limits_B[rows_R], shortest_limit
        )
        # `argmax` is several times slower in bf16 on the CPU.
        scores_R, tokens_R = log_probability_RV.max(dim=-1)
        tokens_TB[length, rows_R] = tokens_R
        scores_TB[length, rows_R] = scores_R.to(scores_TB)
        is_live_R &= tokens_R != rules.eos
        num_live = int(is_live_R.sum())
        if num_live == 0:
            break
        if num_live <= LARGEST_LIVE_SHARE * len(rows_R):
            live_R = is_live_R.nonzero()[:, 0]
            cache.keep(live_R)
            rows_R, tokens_R, is_live_R = rows_R[live_R], tokens_R[live_R], is_live_R[live_R]
    return _hypotheses(tokens_TB.cpu(), scores_TB.cpu().double(), rules)


def _hypotheses(tokens_TB: Tensor, scores_TB: Tensor, rules: Rules) -> list[Hypothesis]:
    """Cuts each sentence at its first end symbol: a finished row may have been carried along."""
    lengths_B = (tokens_TB == rules.eos).int().argmax(dim=0) + 1
    is_part_TB = torch.arange(len(tokens_TB))[:, None] < lengths_B
    scores_B = (scores_TB * is_part_TB).sum(dim=0) / rules.penalty(lengths_B.double())
    rows = zip(tokens_TB.t().tolist(), lengths_B.tolist(), scores_B.tolist(), strict=True)
    return [Hypothesis(tuple(tokens[: length - 1]), score) for tokens, length, score in rows]
