"""Beam search over many sentences at once, with a length penalty (Wu et al. 2016, section 7).

Shapes: B sentences not yet dropped, N hypotheses of each (the beam), R = B N rows, O rows that are
open, T tokens so far, V ids that can be produced, S source positions, W continuations of a row, M
rows that are copied, P places in the beam (as many as N).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from automl_tf.decoding.constraints import Constraints, SpecialTokens
from automl_tf.decoding.hypotheses import (
    Hypothesis,
    largest,
    length_penalty,
    row_count,
    rows_to_keep,
)
from automl_tf.model.transformer import Transformer


def beam_search(
    model: Transformer,
    source_BS: Tensor,
    limits_B: Tensor,
    constraints: Constraints,
    beam_size: int,
    alpha: float,
) -> list[Hypothesis]:
    """Translates a batch of sentences.

    A hypothesis that ends keeps its place in the beam, so that a beam of one is greedy search. A
    sentence is done when its places are all taken, or when no open hypothesis can still beat the
    best ended one.

    Args:
        model: The model, in evaluation mode.
        source_BS: Source ids with their end symbols, padded at the end.
        limits_B: Most tokens of each translation, its end symbol not counted.
        constraints: What may be produced.
        beam_size: Hypotheses kept for each sentence.
        alpha: Strength of the length penalty.
    """
    max_steps = int(limits_B.max()) + 1
    shortest_limit = int(limits_B.min())
    cache = model.start(model.encode(source_BS), max_steps, beam_size)
    results = [Hypothesis((), -math.inf)] * len(source_BS)
    precision = torch.promote_types(model.output_weight_VD.dtype, torch.float32)
    beam = _Beam.start(limits_B, beam_size, constraints.tokens, alpha, precision)
    for length in range(max_steps):
        open_O = beam.open_rows()
        logits_OV = model.decode_step(beam.newest_R, cache, open_O)
        # The model's probabilities are left as they are and not spread anew over the tokens that
        # may come, so that a hypothesis scores what the model gives it.
        log_probability_OV = torch.log_softmax(logits_OV, dim=-1, dtype=precision)
        limits_O = beam.limits_B[open_O // beam_size]
        constraints.apply(log_probability_OV, length, limits_O, shortest_limit)
        moves = beam.extend(log_probability_OV, open_O, length)
        is_live_B = beam.is_live_B()
        num_live = int(is_live_B.sum())
        if num_live == 0:
            break
        cache.copy_rows(*moves)
        num_kept = row_count(num_live)
        if num_kept < len(is_live_B):
            beam.record(results)
            kept_B = rows_to_keep(is_live_B, num_kept)
            cache.keep(kept_B)
            beam = beam.keep(kept_B)
    beam.record(results)
    return results


@dataclass
class _Beam:
    """Open hypotheses and the best ended one of each sentence.

    Attributes:
        tokens: The special symbols.
        alpha: Strength of the length penalty.
        sentences_B: Each sentence's place in the batch.
        limits_B: Most tokens of each translation.
        tokens_BNT: The begin symbol and the tokens of the open hypotheses.
        totals_BN: Their log-probabilities; minus infinity where there is no open hypothesis.
        places_B: Hypotheses that have not ended yet, at most.
        best_tokens_BT: The best ended hypothesis of each sentence, filled up with end symbols.
        best_scores_B: Its score.
    """

    tokens: SpecialTokens
    alpha: float
    sentences_B: Tensor
    limits_B: Tensor
    tokens_BNT: Tensor
    totals_BN: Tensor
    places_B: Tensor
    best_tokens_BT: Tensor
    best_scores_B: Tensor

    @classmethod
    def start(
        cls,
        limits_B: Tensor,
        beam_size: int,
        tokens: SpecialTokens,
        alpha: float,
        precision: torch.dtype,
    ) -> "_Beam":
        """One open hypothesis for each sentence, without a token."""
        sentences_B = torch.arange(len(limits_B), device=limits_B.device)
        totals_BN = torch.full(
            (len(limits_B), beam_size), -torch.inf, dtype=precision, device=limits_B.device
        )
        best_scores_B = totals_BN[:, 0].clone()
        totals_BN[:, 0] = 0.0
        return cls(
            tokens,
            alpha,
            sentences_B,
            limits_B,
            limits_B.new_full((*totals_BN.shape, 1), tokens.bos),
            totals_BN,
            torch.full_like(sentences_B, beam_size),
            limits_B.new_full((len(limits_B), int(limits_B.max()) + 1), tokens.eos),
            best_scores_B,
        )

    @property
    def newest_R(self) -> Tensor:
        """The last token of every row."""
        return self.tokens_BNT[:, :, -1].flatten()

    def open_rows(self) -> Tensor:
        """The rows whose hypotheses are open, and others to fill up to a number that returns, O."""
        is_open_R = self.totals_BN.flatten().isfinite()
        num_rows = min(len(is_open_R), row_count(int(is_open_R.sum())))
        if num_rows == len(is_open_R):
            return torch.arange(num_rows, device=is_open_R.device)
        return is_open_R.byte().argsort(descending=True, stable=True)[:num_rows]

    def extend(
        self, log_probability_OV: Tensor, open_O: Tensor, length: int
    ) -> tuple[Tensor, Tensor]:
        """Goes on with the best continuations and takes out those that end.

        Args:
            log_probability_OV: Of the next token in some rows, among them all that are open.
            open_O: Those rows.
            length: Tokens produced so far.

        Returns:
            The rows that go on from another row, and those others.
        """
        num_sentences, beam_size = self.totals_BN.shape
        # No more than the size of the beam can come from one hypothesis.
        width = min(beam_size, log_probability_OV.shape[1])
        best_OW, ids_OW = largest(log_probability_OV, width)
        shape_RW = (num_sentences * beam_size, width)
        best_RW = best_OW.new_full(shape_RW, -torch.inf).index_copy_(0, open_O, best_OW)
        ids_RW = ids_OW.new_zeros(shape_RW).index_copy_(0, open_O, ids_OW)
        totals_BNW = self.totals_BN[:, :, None] + best_RW.view(num_sentences, beam_size, width)
        self.totals_BN, picks_BN = totals_BNW.flatten(1).topk(beam_size, dim=-1)
        parents_BN = picks_BN // width
        ids_BN = ids_RW.view(num_sentences, -1).gather(1, picks_BN)
        prefixes_BNT = self.tokens_BNT.gather(
            1, parents_BN[:, :, None].expand(-1, -1, self.tokens_BNT.shape[2])
        )
        self.tokens_BNT = torch.cat((prefixes_BNT, ids_BN[:, :, None]), dim=-1)
        self._end(ids_BN, length)
        parents_BN = self._settle(parents_BN)
        places_BN = torch.arange(beam_size, device=picks_BN.device)
        is_moved_BN = (parents_BN != places_BN) & self.totals_BN.isfinite()
        sentences_M, places_M = is_moved_BN.nonzero(as_tuple=True)
        starts_M = sentences_M * beam_size
        return starts_M + places_M, starts_M + parents_BN[sentences_M, places_M]

    def _settle(self, parents_BN: Tensor) -> Tensor:
        """Puts the best open continuation of each hypothesis into its place, the others elsewhere.

        So that few rows of the cache have to be copied.

        Returns:
            The hypothesis that each one continues, in the new order.
        """
        beam_size = parents_BN.shape[1]
        ranks_N = torch.arange(beam_size, device=parents_BN.device)
        is_open_BN = self.totals_BN.isfinite()
        # Whether the hypothesis of a rank continues that of a place.
        continues_BNP = (parents_BN[:, :, None] == ranks_N) & is_open_BN[:, :, None]
        is_first_BNP = continues_BNP & (continues_BNP.cumsum(dim=1) == 1)
        is_settled_BN, is_taken_BP = is_first_BNP.any(dim=2), is_first_BNP.any(dim=1)
        others_BN = is_settled_BN.byte().argsort(dim=1, stable=True)
        free_BP = is_taken_BP.byte().argsort(dim=1, stable=True)
        # The first of the others gets the first free place; what stands behind them is settled.
        ranks_BP = torch.empty_like(others_BN).scatter_(1, free_BP, others_BN)
        ranks_BP = torch.where(is_taken_BP, is_first_BNP.byte().argmax(dim=1), ranks_BP)
        self.totals_BN = self.totals_BN.gather(1, ranks_BP)
        self.tokens_BNT = self.tokens_BNT.gather(
            1, ranks_BP[:, :, None].expand(-1, -1, self.tokens_BNT.shape[2])
        )
        return parents_BN.gather(1, ranks_BP)

    def _end(self, ids_BN: Tensor, length: int) -> None:
        """Closes hypotheses beyond the places left and those at their end symbol."""
        ranks_N = torch.arange(ids_BN.shape[1], device=ids_BN.device)
        self.totals_BN.masked_fill_(ranks_N >= self.places_B[:, None], -torch.inf)
        is_end_BN = (ids_BN == self.tokens.eos) & self.totals_BN.isfinite()
        ended_BN = self.totals_BN.masked_fill(~is_end_BN, -torch.inf)
        self.totals_BN.masked_fill_(is_end_BN, -torch.inf)
        self.places_B = self.places_B - is_end_BN.sum(dim=1)
        penalty = length_penalty(ended_BN.new_tensor(length + 1), self.alpha)
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
        longest_penalty_B = length_penalty(self.limits_B.to(self.totals_BN) + 1, self.alpha)
        return self.totals_BN.amax(dim=1) / longest_penalty_B > self.best_scores_B

    def keep(self, live_B: Tensor) -> "_Beam":
        """The beam of these sentences alone."""
        return _Beam(
            self.tokens,
            self.alpha,
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
            results[sentence] = Hypothesis(tuple(tokens[: tokens.index(self.tokens.eos)]), score)
