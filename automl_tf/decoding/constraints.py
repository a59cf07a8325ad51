"""Constraints on a translation: which token may come next, and how long it may become.

Shapes: R rows decoded side by side, V ids that can be produced.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MARGIN = 1.25
"""Factor on a corpus's ratio of lengths: a translation may need more than the references have."""
EXTRA = 10
"""Subwords beyond that: the ratios of very short sentences vary most."""


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the symbols that are no text.

    Attributes:
        bos: Begin symbol, never produced.
        eos: End symbol.
        pad: Padding, never produced.
    """

    bos: int
    eos: int
    pad: int


@dataclass(frozen=True)
class LengthBound:
    """The most subwords that a translation may have; a search that finds no end stops there.

    Attributes:
        ratio: Target subwords for each subword of the source.
        extra: Target subwords beyond that: short sentences vary most.
    """

    ratio: float = 2.0
    extra: int = 20

    @classmethod
    def of_corpus(cls, ratio: float) -> "LengthBound":
        """The bound for sentences like those of a corpus.

        Args:
            ratio: Target subwords for each subword of the source that nearly all pairs stay below.
        """
        return cls(round(MARGIN * ratio, 3), EXTRA)

    def longest(self, source_length: int) -> int:
        """The most subwords for a source of so many."""
        return math.ceil(self.ratio * source_length) + self.extra


DEFAULT_LENGTH_BOUND = LengthBound()
"""The bound where the corpus's ratios are not known."""


@dataclass(frozen=True)
class SearchOptions:
    """How a translation is searched for.

    Attributes:
        beam_size: Hypotheses kept for each sentence; 1 is greedy search.
        length_penalty: The alpha of Wu et al. 2016: larger prefers longer translations.
        is_length_fixed: Whether each translation is made as long as its source, whatever the model
            would say: to measure time.
    """

    beam_size: int = 1
    length_penalty: float = 0.0
    is_length_fixed: bool = False


GREEDY = SearchOptions()


@dataclass(frozen=True)
class Constraints:
    """Which token may come next.

    Attributes:
        tokens: The special symbols.
        is_length_fixed: Whether each output is as long as its limit, or at most.
    """

    tokens: SpecialTokens
    is_length_fixed: bool = False

    def apply(
        self, scores_RV: Tensor, length: int, limits_R: Tensor, shortest_limit: int
    ) -> Tensor:
        """Sets the scores of tokens that may not come next to minus infinity, in place.

        Args:
            scores_RV: Scores of the next token.
            length: Tokens produced so far.
            limits_R: Most tokens that each row may have; then it has to end.
            shortest_limit: The smallest of them; saves looking at all in every step.
        """
        eos = self.tokens.eos
        scores_RV[:, self.tokens.bos] = -torch.inf
        scores_RV[:, self.tokens.pad] = -torch.inf
        ending_R = scores_RV[:, eos].clone()
        if self.is_length_fixed:
            scores_RV[:, eos] = -torch.inf
        if length >= shortest_limit:
            must_end_R = limits_R <= length
            scores_RV.masked_fill_(must_end_R[:, None], -torch.inf)
            scores_RV[:, eos].copy_(torch.where(must_end_R, ending_R, scores_RV[:, eos]))
        return scores_RV
