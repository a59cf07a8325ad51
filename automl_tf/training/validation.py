"""The sentences of a validation: how many it translates, in which batches, and which are shown.

Early on trials lie far apart and their order shows on few sentences; a validation of a
newstest-sized split takes as long as many training steps. So validations grow: they translate few
sentences while a model learns fast, and the whole split at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from automl_tf.config.settings import TrainingConfig
from automl_tf.data.batches import Batch
from automl_tf.data.prepare import PreparedData
from automl_tf.scoring.scores import Scorer

NUM_SAMPLES = 8


def num_validated(step: int, training: TrainingConfig, available: int) -> int:
    """Returns how many sentences the validation at a step translates, the first of the split.

    It follows from the step and the settings alone: a resumed training, every rank and every worker
    take the same.

    Args:
        step: Optimizer steps done; one that is validated at.
        training: The settings.
        available: Sentences of the whole split.
    """
    first = training.validate_sentences
    if first == 0 or step >= training.max_steps:
        return available
    before = max(0, step // training.validate_every - 1)
    # That many doublings exceed any split.
    return min(available, first << min(before, available.bit_length()))


class ValidationBatches:
    """Batches that are made anew whenever their number of sentences has changed.

    Lightning asks once for its validation loader, and for an iterator at each validation.

    Args:
        batches: Makes the batches of so many sentences.
        num_sentences: Returns how many the next validation takes.
    """

    def __init__(
        self, batches: Callable[[int], list[Batch]], num_sentences: Callable[[], int]
    ) -> None:
        self._batches = batches
        self._num_sentences = num_sentences
        self._made: tuple[int, list[Batch]] = 0, []

    def __iter__(self) -> Iterator[Batch]:
        size = self._num_sentences()
        if size != self._made[0]:
            self._made = size, self._batches(size)
        return iter(self._made[1])


class Samples:
    """The first sentences of a validation split, whose translations people read.

    Args:
        data: The prepared corpus.
        target_lang: Language code of the references.
    """

    def __init__(self, data: PreparedData, target_lang: str) -> None:
        self._sources = data.validation.source_text[:NUM_SAMPLES]
        self._references = data.validation.target_text[:NUM_SAMPLES]
        self._scorer = Scorer(self._references, target_lang)

    def rows(self, hypotheses: Sequence[str]) -> list[dict[str, Any]]:
        """Returns source, reference, hypothesis and sentence BLEU of each.

        Args:
            hypotheses: Translations of the split's first sentences.
        """
        return [
            {
                "source": source,
                "reference": reference,
                "hypothesis": hypothesis,
                "bleu": self._scorer.sentence_bleu(hypothesis, index),
            }
            for index, (source, reference, hypothesis) in enumerate(
                zip(self._sources, self._references, hypotheses, strict=False)
            )
        ]
