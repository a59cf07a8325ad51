"""What both searches agree on: which token may come next, when a sentence ends, what it scores.

Shapes: R rows decoded side by side, V ids that can be produced.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """A translation.

    Attributes:
        tokens: Its ids, without begin and end symbol.
        score: Its log-probability (the end symbol's counted) over its length penalty; None from
            greedy search, which needs no probabilities.
    """

    tokens: tuple[int, ...]
    score: float | None = None


@dataclass(frozen=True)
class Rules:
    """The symbols and the lengths of what may be produced.

    Attributes:
        bos: Id of the begin symbol, never produced.
        eos: Id of the end symbol.
        pad: Id of padding, never produced.
        length_penalty: The alpha of Wu et al. 2016.
        is_length_fixed: Whether each output is as long as its limit (to measure time) or at most.
    """

    bos: int
    eos: int
    pad: int
    length_penalty: float = 0.0
    is_length_fixed: bool = False

    def log_probabilities(
        self, logits_RV: Tensor, length: int, limits_R: Tensor, shortest_limit: int
    ) -> Tensor:
        """Log-probabilities of the next token, minus infinity for one that may not come, RV.

        The model's probabilities are left as they are and not spread anew over the tokens that
        remain, so that a hypothesis scores what the model gives it. The arguments are those of
        `forbid`.
        """
        precision = torch.promote_types(logits_RV.dtype, torch.float32)
        log_probability_RV = torch.log_softmax(logits_RV, dim=-1, dtype=precision)
        return self.forbid(log_probability_RV, length, limits_R, shortest_limit)

    def forbid(
        self, scores_RV: Tensor, length: int, limits_R: Tensor, shortest_limit: int
    ) -> Tensor:
        """Sets the scores of tokens that may not come next to minus infinity, in place.

        Args:
            scores_RV: Scores of the next token.
            length: Tokens produced so far.
            limits_R: Most tokens that each row may have; then it has to end.
            shortest_limit: The smallest of them; saves looking at all in every step.
        """
        scores_RV[:, self.bos] = -torch.inf
        scores_RV[:, self.pad] = -torch.inf
        ending_R = scores_RV[:, self.eos].clone()
        if self.is_length_fixed:
            scores_RV[:, self.eos] = -torch.inf
        if length >= shortest_limit:
            must_end_R = limits_R <= length
            scores_RV.masked_fill_(must_end_R[:, None], -torch.inf)
            scores_RV[:, self.eos].copy_(torch.where(must_end_R, ending_R, scores_RV[:, self.eos]))
        return scores_RV

    def penalty(self, lengths: Tensor) -> Tensor:
        """What log-probabilities are divided by (Wu et al. 2016, section 7).

        Args:
            lengths: Tokens of each hypothesis, the end symbol counted, in floating point.
        """
        return ((5.0 + lengths) / 6.0) ** self.length_penalty
