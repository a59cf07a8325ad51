"""What BLEU is made of, sentence by sentence, and what can be said of a difference by it.

BLEU of a corpus is a function of sums over its sentences (Papineni et al. 2002, section 2.3), so
that counts kept for each sentence give the BLEU of any of its subsets, exactly, without the text.

Shapes: N sentences, C counts, O orders of n-grams, R resamples.
"""

import base64
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ORDERS = 4
"""Longest n-grams that BLEU counts."""
COUNTS = 2 + ORDERS
"""Length of the hypothesis, length of the reference, matches by order."""

_NARROW, _WIDE = "<u2", "<u4"
_AFTER_TYPE = ":"
"""Stands in no text of base 85."""


class Merit(NamedTuple):
    """What a validation counts for among others, as the best of which a trial is known.

    BLEU of different sentences does not compare, and a few may be easy ones: one over more
    sentences comes before any over fewer, and BLEU decides between equals.

    Attributes:
        num_sentences: Sentences translated.
        bleu: BLEU on them.
    """

    num_sentences: int
    bleu: float


@dataclass(frozen=True, eq=False)
class SentenceStatistics:
    """Counts of each sentence of a set of translations.

    Attributes:
        counts_NC: Tokens of the hypothesis, tokens of the reference, and the n-grams that they
            share, n from 1 to 4.
    """

    counts_NC: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.counts_NC)

    @property
    def bleu(self) -> float:
        """Corpus BLEU, equal to sacrebleu's with its default smoothing."""
        totals = _totals(self.counts_NC).sum(axis=0)
        return float(corpus_bleu(self.counts_NC.sum(axis=0), totals))

    def first(self, size: int) -> "SentenceStatistics":
        """Of the first sentences alone."""
        return SentenceStatistics(self.counts_NC[:size])

    def to_text(self) -> str:
        """A short text that ``from_text`` reads."""
        # A line of more tokens than 16 bits count is rare; its numbers need 32.
        dtype = _NARROW if self.counts_NC.max(initial=0) <= np.iinfo(_NARROW).max else _WIDE
        # By column: counts of one kind are alike.
        data = self.counts_NC.T.astype(dtype).tobytes()
        text = base64.b85encode(zlib.compress(data, 9)).decode("ascii")
        return text if dtype == _NARROW else f"{dtype}{_AFTER_TYPE}{text}"

    @classmethod
    def from_text(cls, text: str) -> "SentenceStatistics":
        """What ``to_text`` wrote."""
        dtype, _, encoded = text.rpartition(_AFTER_TYPE)
        data = zlib.decompress(base64.b85decode(encoded))
        counts_NC = np.frombuffer(data, dtype or _NARROW).reshape(COUNTS, -1).T.astype(np.int64)
        return cls(counts_NC)


@dataclass(frozen=True)
class Difference:
    """What a paired bootstrap says of BLEU of one set of translations less that of another.

    Attributes:
        bleu: The difference on the whole set.
        low: Lower end of its 95 % confidence interval.
        high: Upper end.
        spread: Standard deviation over the resamples.
        wins: Share of resamples in which the first is better.
    """

    bleu: float
    low: float
    high: float
    spread: float
    wins: float


def paired_bootstrap(
    ours: SentenceStatistics, theirs: SentenceStatistics, resamples: int = 1000, seed: int = 1
) -> Difference:
    """How sure a difference of BLEU is, over which sentences were drawn (Koehn 2004, section 4).

    Both are resampled together: what makes a sentence hard is hard for both.

    Args:
        ours: Of one system's translations.
        theirs: Of another's, of the same sentences.
        resamples: Samples of the split's size, with replacement.
        seed: Of the draws.
    """
    size = len(ours)
    assert size == len(theirs), "a pair is a sentence that both have translated"
    drawn_RN = resamplings(size, resamples, seed)
    differences_R = resampled_bleu(drawn_RN, ours) - resampled_bleu(drawn_RN, theirs)
    low, high = np.percentile(differences_R, [2.5, 97.5])
    return Difference(
        bleu=ours.bleu - theirs.bleu,
        low=float(low),
        high=float(high),
        spread=float(differences_R.std()),
        wins=float((differences_R > 0).mean()),
    )


def resamplings(size: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each sentence is in each of some samples with replacement, of shape (R, N).

    Args:
        size: Number of sentences, in the set and in each sample.
        resamples: Number of samples.
        seed: Of the draws.
    """
    return np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), resamples)


def resampled_bleu(
    drawn_RN: NDArray[np.int64], statistics: SentenceStatistics
) -> NDArray[np.float64]:
    """BLEU of translations on each resample, of shape (R,).

    Args:
        drawn_RN: How often each sentence is in each resample.
        statistics: Of the translations.
    """
    totals_NO = _totals(statistics.counts_NC)
    return corpus_bleu(drawn_RN @ statistics.counts_NC, drawn_RN @ totals_NO)


def corpus_bleu(sums: NDArray[np.int64], totals: NDArray[np.int64]) -> NDArray[np.float64]:
    """BLEU of many corpora at once from sums over their sentences (Papineni et al. 2002).

    An order without a match counts as half a match, a quarter at the next such order, and so on
    (sacrebleu's exponential smoothing).

    Args:
        sums: Counts as in ``SentenceStatistics``, summed, of shape (..., C).
        totals: N-grams of the hypotheses by order, of shape (..., 4).

    Returns:
        BLEU between 0 and 100, of shape (...).
    """
    hypothesis, reference, matches = sums[..., 0], sums[..., 1], sums[..., 2:]
    is_missed = matches == 0
    smoothed = np.where(is_missed, 0.5 ** np.cumsum(is_missed, axis=-1), matches)
    precisions = smoothed / np.maximum(totals, 1)
    penalty = np.exp(np.minimum(0.0, 1.0 - reference / np.maximum(hypothesis, 1)))
    bleu = 100.0 * penalty * np.exp(np.log(precisions).mean(axis=-1))
    # Without n-grams of every length, or without a match at all, there is no geometric mean.
    return np.where((totals > 0).all(axis=-1) & ~is_missed.all(axis=-1), bleu, 0.0)


def _totals(counts_NC: NDArray[np.int64]) -> NDArray[np.int64]:
    """N-grams of each hypothesis by order: a sentence of L tokens has L - n + 1."""
    totals_NO: NDArray[np.int64] = np.maximum(counts_NC[:, :1] - np.arange(ORDERS), 0)
    return totals_NO
