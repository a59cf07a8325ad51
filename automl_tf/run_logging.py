"""Logs a training to its MLflow run: a trial of a search and the training of an export alike."""

from collections.abc import Mapping
from typing import Any

from automl_tf.config.files import to_yaml
from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.device import Precision, device_name
from automl_tf.scoring.tokenizers import tokenizer_of
from automl_tf.tracking.runs import Run
from automl_tf.training.attention_maps import ATTENTION, attention_picture
from automl_tf.training.events import Validation
from automl_tf.training.validation import Samples


class TrainingLogger:
    """Logs the configuration, the corpus and the validations of one training.

    Args:
        run: The run.
        config: The configuration that is trained.
        data: The prepared corpus.
    """

    def __init__(self, run: Run, config: TrialConfig, data: PreparedData) -> None:
        self._run = run
        self._config = config
        self._data = data
        self._samples = Samples(data, config.corpus.target_lang, tokenizer_of(config))

    def begin(self, costs: Mapping[str, float], precision: Precision) -> None:
        """Logs the configuration, its costs by name, the corpus, the device and its arithmetic."""
        self._run.log_text(to_yaml(self._config), "config.yaml")
        self._run.log_metrics(0, {name: float(cost) for name, cost in costs.items()})
        self._run.set_tags(
            {
                "corpus": self._data.fingerprint,
                "filters": str(self._data.report),
                "device": device_name(),
                "precision": precision,
            }
        )
        corpus = self._config.corpus
        source = corpus.model_dump(mode="json")
        self._run.log_corpus(corpus.title, self._data.fingerprint, source, self._data.num_pairs)

    def validated(
        self, validation: Validation, metrics: Mapping[str, float] | None = None
    ) -> list[dict[str, Any]]:
        """Logs the training curve so far, the scores and some translations.

        Args:
            validation: The validation.
            metrics: Further metrics of its step.

        Returns:
            The translations that were logged.
        """
        self._run.log_curve([(point.step, point.metrics()) for point in validation.curve])
        self._run.log_metrics(validation.step, {**validation.metrics(), **(metrics or {})})
        samples = self._samples.rows(validation.hypotheses)
        self._run.log_samples(validation.step, samples)
        if validation.attention:
            title = f"Attention at step {validation.step}, BLEU {validation.scores.bleu:.2f}"
            self._run.log_text(attention_picture(validation.attention, title), ATTENTION)
        return samples
