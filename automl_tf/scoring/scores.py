"""BLEU and chrF of detokenised text, as sacrebleu's own command computes them.

Post (2018), "A Call for Clarity in Reporting BLEU Scores"; Popović (2015), "chrF".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from automl_tf.compat import confidence_interval, sentence_counts, unify_scores
from automl_tf.data.text import normalize
from automl_tf.scoring.sentences import COUNTS, SentenceStatistics
from automl_tf.scoring.tokenizers import bleu_tokenizer


@dataclass(frozen=True)
class Scores:
    """Scores of one set of translations, between 0 and 100, higher is better.

    Attributes:
        bleu: Corpus BLEU.
        chrf: Corpus chrF2.
    """

    bleu: float
    chrf: float


@dataclass(frozen=True)
class Evaluation:
    """Scores with what it takes to compare and to reproduce them.

    Attributes:
        scores: BLEU and chrF.
        bleu_interval: Half width of the 95 % confidence interval of BLEU.
        chrf_interval: Half width of the 95 % confidence interval of chrF.
        bleu_signature: sacrebleu's signature of the BLEU.
        chrf_signature: sacrebleu's signature of the chrF.
        num_sentences: Sentences scored.
    """

    scores: Scores
    bleu_interval: float
    chrf_interval: float
    bleu_signature: str
    chrf_signature: str
    num_sentences: int


class Scorer:
    """Scores translations of one split; the references are read once.

    Both sides are compared in the form that a model reads and writes: the same letters in another
    Unicode form, or with an invisible character between them, are the same text.

    Args:
        references: One reference a sentence, detokenised.
        target_lang: Language code of the references.
        tokenizer: Name of sacrebleu's tokenizer for BLEU; that of the language by default.
    """

    def __init__(
        self, references: Sequence[str], target_lang: str, tokenizer: str | None = None
    ) -> None:
        assert references, "a split without sentences is refused when the corpus is read"
        self._references = [list(map(normalize, references))]
        self._tokenizer = tokenizer or bleu_tokenizer(target_lang)

    @cached_property
    def _bleu(self) -> BLEU:
        # Tokenised text is remarked on once, and not at each validation.
        return BLEU(tokenize=self._tokenizer, references=self._references, force=True)

    @cached_property
    def _chrf(self) -> CHRF:
        chrf = CHRF(references=self._references)
        unify_scores(chrf)
        return chrf

    def score(self, hypotheses: Sequence[str]) -> Scores:
        """BLEU and chrF of one hypothesis a reference, in the references' order."""
        hypotheses = self._paired(hypotheses)
        return Scores(bleu=self.sentences(hypotheses).bleu, chrf=self.chrf(hypotheses))

    def sentences(self, hypotheses: Sequence[str]) -> SentenceStatistics:
        """What the BLEU of one hypothesis for each of the first references is made of."""
        counts = sentence_counts(self._bleu, self._first(hypotheses))
        return SentenceStatistics(np.array(counts, dtype=np.int64)[:, :COUNTS])

    def chrf(self, hypotheses: Sequence[str]) -> float:
        """Corpus chrF2 of one hypothesis for each of the first references."""
        return float(self._chrf.corpus_score(self._first(hypotheses), None).score)

    def evaluate(self, hypotheses: Sequence[str], resamples: int = 1000) -> Evaluation:
        """Scores with bootstrap confidence intervals (Koehn 2004) and signatures.

        Args:
            hypotheses: One hypothesis a reference.
            resamples: Bootstrap samples, two at least.
        """
        hypotheses = self._paired(hypotheses)
        bleu = self._bleu.corpus_score(hypotheses, None, n_bootstrap=resamples)
        chrf = self._chrf.corpus_score(hypotheses, None, n_bootstrap=resamples)
        return Evaluation(
            scores=Scores(bleu.score, chrf.score),
            bleu_interval=confidence_interval(bleu),
            chrf_interval=confidence_interval(chrf),
            bleu_signature=str(self._bleu.get_signature()),
            chrf_signature=str(self._chrf.get_signature()),
            num_sentences=len(hypotheses),
        )

    def sentence_bleu(self, hypothesis: str, index: int) -> float:
        """BLEU of one sentence, smoothed, against the reference of that index."""
        metric = BLEU(tokenize=self._tokenizer, effective_order=True)
        reference = self._references[0][index]
        return float(metric.sentence_score(normalize(hypothesis), [reference]).score)

    def _first(self, hypotheses: Sequence[str]) -> list[str]:
        assert 0 < len(hypotheses) <= len(self._references[0]), "each has its reference"
        return list(map(normalize, hypotheses))

    def _paired(self, hypotheses: Sequence[str]) -> list[str]:
        assert len(hypotheses) == len(self._references[0]), "sacrebleu would drop what is too much"
        return list(map(normalize, hypotheses))
