"""Beam search over many sentences at once, with a length penalty (Wu et al. 2016, section 7).

Shapes: B sentences not yet dropped, N hypotheses of each (the beam), R = B N rows, T tokens so far,
V ids that can be produced, S source positions.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_tf.decoding.rows import largest, row_count
from automl_tf.decoding.rules import Hypothesis, Rules
from automl_tf.model.transformer import Transformer


def beam_search(
    model: Transformer, source_BS: Tensor, limits_B: Tensor, rules: Rules, beam_size: int
) -> list[Hypothesis]:
    """Translates a batch of sentences.

    A hypothesis that ends keeps its place in the beam, so that a beam of one is greedy search. A
    sentence is done when its places are all taken, or when no open hypothesis can still beat the
    best ended one.

    Args:
        model: The model, in evaluation mode.
        source_BS: Source ids with their end symbols, padded at the end.
        limits_B: Most tokens of each translation, its end symbol not counted.
        rules: What may be produced.
        beam_size: Hypotheses kept for each sentence.
    """
    max_steps = int(limits_B.max()) + 1
    shortest_limit = int(limits_B.min())
    cache = model.start(model.encode(source_BS), max_steps, beam_size)
    results = [Hypothesis((), -math.inf)] * len(source_BS)
    precision = torch.promote_types(model.output_weight_VD.dtype, torch.float32)
    beam = _Beam.start(limits_B, beam_size, rules, precision)
    for length in range(max_steps):
        logits_RV = model.step(beam.newest_R, cache)
        log_probability_RV = rules.log_probabilities(
            logits_RV, length, beam.limits_B.repeat_interleave(beam_size), shortest_limit
        )
        parents_R = beam.extend(log_probability_RV, length)
        is_live_B = beam.is_live_B()
        num_live = int(is_live_B.sum())
        if num_live == 0:
            break
        cache.reorder(parents_R)
        num_kept = row_count(num_live)
        if num_kept < len(is_live_B):
            beam.record(results)
            kept_B = is_live_B.byte().argsort(descending=True, stable=True)[:num_kept]
            cache.keep(kept_B)
            beam = beam.keep(kept_B)
    beam.record(results)
    return results


@dataclass
class _Beam:
    """Open hypotheses and the best ended one of each sentence.

    Attributes:
        rules: What may be produced, and the length penalty.
        sentences_B: Each sentence's place in the batch.
        limits_B: Most tokens of each translation.
        tokens_BNT: The begin symbol and the tokens of the open hypotheses.
        totals_BN: Their log-probabilities; minus infinity where there is no open hypothesis.
        places_B: Hypotheses that have not ended yet, at most.
        best_tokens_BT: The best ended hypothesis of each sentence, filled up with end symbols.
        best_scores_B: Its score.
    """

    rules: Rules
    sentences_B: Tensor
    limits_B: Tensor
    tokens_BNT: Tensor
    totals_BN: Tensor
    places_B: Tensor
    best_tokens_BT: Tensor
    best_scores_B: Tensor

    @classmethod
    def start(
        cls, limits_B: Tensor, beam_size: int, rules: Rules, precision: torch.dtype
    ) -> "_Beam":
        """One open hypothesis for each sentence, without a token."""
        sentences_B = torch.arange(len(limits_B), device=limits_B.device)
        totals_BN = torch.full(
            (len(limits_B), beam_size), -torch.inf, dtype=precision, device=limits_B.device
        )
        best_scores_B = totals_BN[:, 0].clone()
        totals_BN[:, 0] = 0.0
        return cls(
            rules,
            sentences_B,
            limits_B,
            limits_B.new_full((*totals_BN.shape, 1), rules.bos),
            totals_BN,
            torch.full_like(sentences_B, beam_size),
            limits_B.new_full((len(limits_B), int(limits_B.max()) + 1), rules.eos),
            best_scores_B,
        )

    @property
    def newest_R(self) -> Tensor:
        """The last token of every row."""
        return self.tokens_BNT[:, :, -1].flatten()

    def extend(self, log_probability_RV: Tensor, length: int) -> Tensor:
        """Goes on with the best continuations and takes out those that end.

        Returns:
            The row that each row continues, R.
        """
        num_sentences, beam_size = self.totals_BN.shape
        # No more than the size of the beam can come from one hypothesis.
        width = min(beam_size, log_probability_RV.shape[1])
        best_RW, ids_RW = largest(log_probability_RV, width)
        totals_BNW = self.totals_BN[:, :, None] + best_RW.view(num_sentences, beam_size, width)
        self.totals_BN, picks_BN = totals_BNW.flatten(1).topk(beam_size, dim=-1)
        parents_BN = picks_BN // width
        ids_BN = ids_RW.view(num_sentences, -1).gather(1, picks_BN)
        prefixes_BNT = self.tokens_BNT.gather(
            1, parents_BN[:, :, None].expand(-1, -1, self.tokens_BNT.shape[2])
        )
        self.tokens_BNT = torch.cat((prefixes_BNT, ids_BN[:, :, None]), dim=-1)
        self._end(ids_BN, length)
        starts_B = torch.arange(num_sentences, device=picks_BN.device) * beam_size
        return (parents_BN + starts_B[:, None]).flatten()

    def _end(self, ids_BN: Tensor, length: int) -> None:
        """Closes hypotheses beyond the places left and those at their end symbol."""
        ranks_N = torch.arange(ids_BN.shape[1], device=ids_BN.device)
        self.totals_BN.masked_fill_(ranks_N >= self.places_B[:, None], -torch.inf)
        is_end_BN = (ids_BN == self.rules.eos) & self.totals_BN.isfinite()
        ended_BN = self.totals_BN.masked_fill(~is_end_BN, -torch.inf)
        self.totals_BN.masked_fill_(is_end_BN, -torch.inf)
        self.places_B = self.places_B - is_end_BN.sum(dim=1)
        penalty = self.rules.penalty(ended_BN.new_tensor(length + 1))
        scores_B, best_B = (ended_BN / penalty).max(dim=1)
        is_better_B = scores_B > self.best_scores_B
        tokens_BT = self.tokens_BNT[torch.arange(len(best_B), device=best_B.device), best_B, 1:]
        self.best_scores_B = torch.where(is_better_B, scores_B, self.best_scores_B)
        self.best_tokens_BT[:, : length + 1] = torch.where(
            is_better_B[:, None], tokens_BT, self.best_tokens_BT[:, : length + 1]
        )

    def is_live_B(self) -> Tensor:
        """Whether an open hypothesis of the sentence can still beat its best ended one.

        Log-probabilities only fall, and the penalty is largest at the longest translation.
        """
        longest_penalty_B = self.rules.penalty(self.limits_B.to(self.totals_BN) + 1)
        return self.totals_BN.amax(dim=1) / longest_penalty_B > self.best_scores_B

    def keep(self, live_B: Tensor) -> "_Beam":
        """The beam of these sentences alone."""
        return _Beam(
            self.rules,
            self.sentences_B[live_B],
            self.limits_B[live_B],
            self.tokens_BNT[live_B],
            self.totals_BN[live_B],
            self.places_B[live_B],
            self.best_tokens_BT[live_B],
            self.best_scores_B[live_B],
        )

    def record(self, results: list[Hypothesis]) -> None:
        """Writes each sentence's best ended hypothesis so far to its place."""
        rows = zip(
            self.sentences_B.tolist(),
            self.best_tokens_BT.tolist(),
            self.best_scores_B.tolist(),
            strict=True,
        )
        for sentence, tokens, score in rows:
            results[sentence] = Hypothesis(tuple(tokens[: tokens.index(self.rules.eos)]), score)
