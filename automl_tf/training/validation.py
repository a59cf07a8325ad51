"""The sentences of a validation: how many it translates, in which batches, and which are shown.

Early on trials lie far apart and their order shows on few sentences; a validation of a
newstest-sized split takes as long as many training steps. So validations grow: they translate few
sentences while a model learns fast, and the whole split at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np

from automl_tf.config.settings import TrainingConfig
from automl_tf.data.batches import Batch
from automl_tf.data.parts import join_parts, split_to_fit
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import EOS
from automl_tf.data.text import normalize
from automl_tf.scoring.scores import Scorer

NUM_SAMPLES = 8

Value = TypeVar("Value")


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


class ValidationSources:
    """The sources of a validation split as a bundle translates them.

    An empty one is not translated, and one that is longer than a model was trained on is translated
    in parts, so that the BLEU of a validation is that of the finished model.

    Args:
        data: The prepared corpus.
        longest: Most subwords of a sentence that the model is trained on.
    """

    def __init__(self, data: PreparedData, longest: int) -> None:
        split, subwords = data.validation, data.vocabulary.source
        self._parts = [[source] if source != [EOS] else [] for source in split.sources()]
        # The prepared split is cut at this length.
        cut = [int(index) for index in np.flatnonzero(split.source.lengths >= longest)]
        whole = subwords.encode_batch([split.source_text[index] for index in cut])
        for index, ids in zip(cut, whole, strict=True):
            parts = split_to_fit(ids, subwords.pieces, longest)
            self._parts[index] = [[*part, EOS] for part in parts]

    def first(self, size: int) -> list[list[int]]:
        """Returns the parts of the first sentences, one after the other, each with its end."""
        return [part for parts in self._parts[:size] for part in parts]

    def first_parts(self, size: int, translations: Sequence[list[int]]) -> list[list[int]]:
        """Returns the translation of the first part of each of the first sentences."""
        found = self._by_sentence(size, translations)
        return [parts[0] if parts else [] for parts in found]

    def joined(self, size: int, texts: Sequence[str]) -> tuple[str, ...]:
        """Returns one line for each of the first sentences.

        Args:
            size: Number of sentences.
            texts: The translation of each part.
        """
        lines = self._by_sentence(size, list(map(normalize, texts)))
        return tuple(map(join_parts, lines))

    def _by_sentence(self, size: int, values: Sequence[Value]) -> list[Sequence[Value]]:
        ends = list(accumulate(map(len, self._parts[:size]), initial=0))
        return [values[start:end] for start, end in pairwise(ends)]


class Samples:
    """The first sentences of a validation split, whose translations people read.

    Args:
        data: The prepared corpus.
        target_lang: Language code of the references.
        tokenizer: Name of the tokenizer for BLEU; that of the language by default.
    """

    def __init__(self, data: PreparedData, target_lang: str, tokenizer: str | None = None) -> None:
        self._sources = data.validation.source_text[:NUM_SAMPLES]
        self._references = data.validation.target_text[:NUM_SAMPLES]
        self._scorer = Scorer(self._references, target_lang, tokenizer)

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
