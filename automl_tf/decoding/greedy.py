"""Greedy search: always the likeliest next token.

Shapes: B sentences, S source positions, T target positions, R rows that are decoded, V ids that can
be produced.
"""

import torch
from torch import Tensor

from automl_tf.decoding.rows import largest, row_count
from automl_tf.decoding.rules import Hypothesis, Rules
from automl_tf.model.transformer import Transformer


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
    limits_R = limits_B
    rows_R = torch.arange(len(source_BS), device=source_BS.device)
    tokens_R = torch.full_like(rows_R, rules.bos)
    is_live_R = torch.ones_like(rows_R, dtype=torch.bool)
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    for length in range(max_steps):
        logits_RV = model.step(tokens_R, cache)
        log_probability_RV = rules.log_probabilities(logits_RV, length, limits_R, shortest_limit)
        scores_R, tokens_R = (best_R1[:, 0] for best_R1 in largest(log_probability_RV, 1))
        steps.append((rows_R, tokens_R, scores_R))
        is_live_R &= tokens_R != rules.eos
        num_live = int(is_live_R.sum())
        if num_live == 0:
            break
        num_kept = row_count(num_live)
        if num_kept < len(rows_R):
            kept_R = is_live_R.byte().argsort(descending=True, stable=True)[:num_kept]
            cache.keep(kept_R)
            rows_R, limits_R = rows_R[kept_R], limits_R[kept_R]
            tokens_R, is_live_R = tokens_R[kept_R], is_live_R[kept_R]
    return _hypotheses(steps, len(source_BS), rules)


def _hypotheses(
    steps: list[tuple[Tensor, Tensor, Tensor]], num_sentences: int, rules: Rules
) -> list[Hypothesis]:
    """Puts rows, tokens and scores of every step together, cut at the first end symbol."""
    rows, tokens, scores = (torch.cat(part).cpu() for part in zip(*steps, strict=True))
    counts = torch.tensor([len(rows_R) for rows_R, _, _ in steps])
    places = (torch.arange(len(steps)).repeat_interleave(counts), rows)
    tokens_TB = tokens.new_full((len(steps), num_sentences), rules.eos)
    scores_TB = scores.new_zeros(tokens_TB.shape, dtype=torch.float64)
    tokens_TB[places] = tokens
    scores_TB[places] = scores.double()
    lengths_B = (tokens_TB == rules.eos).int().argmax(dim=0) + 1
    is_part_TB = torch.arange(len(steps))[:, None] < lengths_B
    scores_B = (scores_TB * is_part_TB).sum(dim=0) / rules.penalty(lengths_B.double())
    found = zip(tokens_TB.t().tolist(), lengths_B.tolist(), scores_B.tolist(), strict=True)
    return [Hypothesis(tuple(tokens[: length - 1]), score) for tokens, length, score in found]
