"""Some sentences of the validation split, to read along while a model learns."""

from typing import Any

from automl_tf.data.prepare import PreparedData
from automl_tf.scoring.scores import Scorer
from automl_tf.training.events import Validation

NUM_SAMPLES = 8


class Samples:
    """The first sentences of a validation split.

    Args:
        data: The prepared corpus.
        target_lang: Language code of the references.
    """

    def __init__(self, data: PreparedData, target_lang: str) -> None:
        self._sources = data.validation.source_text[:NUM_SAMPLES]
        self._references = data.validation.target_text[:NUM_SAMPLES]
        self._scorer = Scorer(self._references, target_lang)

    def rows(self, validation: Validation) -> list[dict[str, Any]]:
        """Source, reference, hypothesis and sentence BLEU of each."""
        return [
            {
                "source": source,
                "reference": reference,
                "hypothesis": hypothesis,
                "bleu": self._scorer.sentence_bleu(hypothesis, index),
            }
            for index, (source, reference, hypothesis) in enumerate(
                zip(self._sources, self._references, validation.hypotheses, strict=False)
            )
        ]
