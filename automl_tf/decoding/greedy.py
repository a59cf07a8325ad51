"""Greedy search: always the likeliest next token.

Shapes: B sentences, S source positions, T target positions, R rows that are decoded, V ids that can
be produced.
"""

import torch
from torch import Tensor

from automl_tf.decoding.constraints import Constraints
from automl_tf.decoding.hypotheses import Hypothesis, largest, row_count, rows_to_keep
from automl_tf.model.transformer import Transformer


def greedy_search(
    model: Transformer, source_BS: Tensor, limits_B: Tensor, constraints: Constraints
) -> list[Hypothesis]:
    """Translates a batch of sentences.

    Args:
        model: The model, in evaluation mode.
        source_BS: Source ids with their end symbols, padded at the end.
        limits_B: Most tokens of each translation, its end symbol not counted.
        constraints: What may be produced.
    """
    max_steps, shortest_limit = int(limits_B.max()) + 1, int(limits_B.min())
    eos = constraints.tokens.eos
    cache = model.start(model.encode(source_BS), max_steps)
    limits_R = limits_B
    rows_R = torch.arange(len(source_BS), device=source_BS.device)
    tokens_R = torch.full_like(rows_R, constraints.tokens.bos)
    is_live_R = torch.ones_like(rows_R, dtype=torch.bool)
    steps: list[tuple[Tensor, Tensor]] = []
    for length in range(max_steps):
        logits_RV = model.decode_step(tokens_R, cache)
        allowed_RV = constraints.apply(logits_RV, length, limits_R, shortest_limit)
        tokens_R = largest(allowed_RV, 1)[1][:, 0]
        steps.append((rows_R, tokens_R))
        is_live_R &= tokens_R != eos
        num_live = int(is_live_R.sum())
        if num_live == 0:
            break
        num_kept = row_count(num_live)
        if num_kept < len(rows_R):
            kept_R = rows_to_keep(is_live_R, num_kept)
            cache.keep(kept_R)
            rows_R, limits_R = rows_R[kept_R], limits_R[kept_R]
            tokens_R, is_live_R = tokens_R[kept_R], is_live_R[kept_R]
    return _hypotheses(steps, len(source_BS), eos)


def _hypotheses(
    steps: list[tuple[Tensor, Tensor]], num_sentences: int, eos: int
) -> list[Hypothesis]:
    """Puts rows and tokens of every step together, cut at the first end symbol."""
    rows, tokens = (torch.cat(part).cpu() for part in zip(*steps, strict=True))
    counts = torch.tensor([len(rows_R) for rows_R, _ in steps])
    tokens_TB = tokens.new_full((len(steps), num_sentences), eos)
    tokens_TB[torch.arange(len(steps)).repeat_interleave(counts), rows] = tokens
    lengths_B = (tokens_TB == eos).int().argmax(dim=0)
    found = zip(tokens_TB.t().tolist(), lengths_B.tolist(), strict=True)
    return [Hypothesis(tuple(tokens[:length])) for tokens, length in found]
