"""Systems that were trained with several seeds: what their BLEU is, and how sure that is.

The score of one training says as much of its seed as of its configuration (Clark et al. 2011,
"Better hypothesis testing for statistical machine translation: controlling for optimizer
instability"). The intervals here cover both chances: which sentences were drawn and which seeds.

Shapes: K systems, R resamples of the sentences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_tf.scoring.sentences import SentenceStatistics, resampled_bleu, resamplings

CONFIDENCE = 0.95
"""Share of the intervals that are to hold the truth."""


@dataclass(frozen=True)
class Estimate:
    """A BLEU, or a difference of two, with what sentences and seeds leave open of it.

    Attributes:
        bleu: The mean over the seeds.
        interval: Ends of its 95 % confidence interval; None where no system has two seeds.
    """

    bleu: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Trainings:
    """Systems, each trained with several seeds, on the same sentences.

    The variance of a mean is that of the sentences, by a bootstrap in which all trainings see the
    same resamples (Koehn 2004, section 4), plus that of the seeds. The latter is pooled over the
    systems, as in an analysis of variance: three seeds of one system alone would say little. The
    degrees of freedom of the sum are Satterthwaite's (1946). What a seed does to single sentences
    counts in both parts, so that the intervals are rather too wide than too narrow.

    Attributes:
        bleus: BLEU of each training, by system.
        size: Number of sentences.
        resampled_KR: Mean BLEU of each system on each resample of the sentences.
    """

    bleus: Sequence[Sequence[float]]
    size: int
    resampled_KR: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        systems: Sequence[Sequence[SentenceStatistics]],
        resamples: int = 1000,
        seed: int = 1,
    ) -> "Trainings":
        """From the statistics of translations.

        Args:
            systems: For each system those of its trainings, at least one, all of the same
                sentences.
            resamples: Samples of the sentences, with replacement.
            seed: Of the draws.
        """
        sizes = {len(statistics) for trainings in systems for statistics in trainings}
        assert len(sizes) == 1, "all trainings have translated the same sentences"
        (size,) = sizes
        drawn_RN = resamplings(size, resamples, seed)
        return cls(
            bleus=[[statistics.bleu for statistics in trainings] for trainings in systems],
            size=size,
            resampled_KR=np.stack(
                [
                    np.mean([resampled_bleu(drawn_RN, one) for one in trainings], axis=0)
                    for trainings in systems
                ]
            ),
        )

    def mean(self, system: int) -> Estimate:
        """The BLEU that a system has on average over its seeds."""
        return self._estimate({system: 1.0})

    def difference(self, ours: int, theirs: int) -> Estimate:
        """The BLEU of one system less that of another, sentence by sentence and seed by seed."""
        return self._estimate({ours: 1.0, theirs: -1.0})

    def deviation(self, system: int) -> float | None:
        """Standard deviation between the seeds of a system, of which there are two at least."""
        bleus = self.bleus[system]
        return float(np.std(bleus, ddof=1)) if len(bleus) > 1 else None

    def _estimate(self, signs: dict[int, float]) -> Estimate:
        bleu = sum(sign * float(np.mean(self.bleus[system])) for system, sign in signs.items())
        seed_degrees = sum(len(bleus) - 1 for bleus in self.bleus)
        if not seed_degrees:
            return Estimate(bleu, None)
        of_seeds = self._seed_variance() * sum(1 / len(self.bleus[system]) for system in signs)
        moved_R = sum(sign * self.resampled_KR[system] for system, sign in signs.items())
        of_sentences = float(np.var(moved_R))
        total = of_seeds + of_sentences
        if not total:
            return Estimate(bleu, (bleu, bleu))
        degrees = total**2 / (of_seeds**2 / seed_degrees + of_sentences**2 / max(self.size - 1, 1))
        # A table without confirmations is printed without the time that this import takes.
        from scipy.special import stdtrit  # noqa: PLC0415

        reach = float(stdtrit(degrees, (1 + CONFIDENCE) / 2)) * total**0.5
        return Estimate(bleu, (bleu - reach, bleu + reach))

    def _seed_variance(self) -> float:
        """What another seed changes, pooled over the systems."""
        squares = sum(float(np.var(bleus)) * len(bleus) for bleus in self.bleus)
        return squares / sum(len(bleus) - 1 for bleus in self.bleus)
