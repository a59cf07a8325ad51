"""What MLflow is told of a trial."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from automl_tf.config.settings import TrialConfig, given_settings
from automl_tf.config.writing import to_yaml
from automl_tf.data.prepare import PreparedData
from automl_tf.scoring.scores import Merit
from automl_tf.search.schema import CONFIRMS, SMALLER_BATCHES, best_merit, confirms
from automl_tf.tracking.operations import RunState
from automl_tf.tracking.study import StudyRun
from automl_tf.training.attention_picture import ATTENTION, attention_picture
from automl_tf.training.samples import Samples
from automl_tf.training.watching import Validation

RUN_STATES = {
    "complete": RunState.COMPLETE,
    "pruned": RunState.PRUNED,
    "failed": RunState.FAILED,
    "waiting": RunState.PAUSED,
}


class TrialLogger:
    """Tells MLflow of one trial, from its configuration to its end.

    Args:
        trial: The trial.
        config: What it trains.
        tracking: The run of its study.
    """

    def __init__(
        self, trial: optuna.Trial | FrozenTrial, config: TrialConfig, tracking: StudyRun
    ) -> None:
        self._number = trial.number
        self._confirms = confirms(trial)
        self._config = config
        self._best = best_merit(trial)
        self._samples: Samples | None = None
        self._run = tracking.trial(
            trial.number,
            self._name(),
            given_settings(config),
            {
                "seed": str(config.seed),
                "devices": str(config.trainer.devices),
                **({} if self._confirms is None else {CONFIRMS: str(self._confirms)}),
            },
        )

    @property
    def run_id(self) -> str | None:
        """The id of the trial's run, once MLflow has given one."""
        return self._run.run_id

    def begin(self, config: TrialConfig, data: PreparedData, costs: Mapping[str, float]) -> None:
        """The configuration, what it costs and the corpus."""
        self._samples = Samples(data, self._config.corpus.target_lang)
        self._run.log_text(to_yaml(config), "config.yaml")
        self._run.log_metrics(0, {name: float(cost) for name, cost in costs.items()})
        self._run.set_tags({"corpus": data.fingerprint, "filters": str(data.report)})
        corpus = self._config.corpus
        source = corpus.model_dump(mode="json")
        self._run.log_corpus(corpus.title, data.fingerprint, source, data.num_pairs)

    def validated(self, validation: Validation) -> list[dict[str, Any]]:
        """The training curve so far, the scores and some translations, which it returns."""
        assert self._samples is not None, "a trial begins before it is validated"
        found = Merit(len(validation.sentences), validation.scores.bleu)
        self._best = found if self._best is None else max(self._best, found)
        self._run.log_curve([(point.step, point.metrics()) for point in validation.curve])
        metrics = {**validation.metrics(), "best_bleu": self._best.bleu}
        self._run.log_metrics(validation.step, metrics)
        samples = self._samples.rows(validation)
        self._run.log_samples(validation.step, samples)
        if validation.attention:
            self._run.log_text(attention_picture(validation), ATTENTION)
        return samples

    def note_smaller_batches(self, settings: str) -> None:
        """With what smaller batches the trial begins anew."""
        self._best = None
        self._run.set_tags({SMALLER_BATCHES: settings})

    def attach(self, path: str, text: str) -> None:
        """A text file beside the run."""
        self._run.log_text(text, path)

    def end(self, state: str, reason: str | None) -> None:
        """The state and why, and a name that says it."""
        self._run.rename(self._name())
        self._run.finish(RUN_STATES[state], reason or "")

    def _name(self) -> str:
        bleu = None if self._best is None else self._best.bleu
        return run_name(self._number, self._config, bleu, self._confirms)


def run_name(
    number: int, config: TrialConfig, bleu: float | None, confirmed: int | None = None
) -> str:
    """A name that a person can tell trials apart by, as in ``trial 7 · d256 h4 3+3 · 31.4``.

    Args:
        number: The trial's number.
        config: Its configuration.
        bleu: Its best validation BLEU, if it has any.
        confirmed: The trial that it repeats with another seed, if it does.
    """
    score = "" if bleu is None else f" · {bleu:.1f}"
    purpose = "" if confirmed is None else f" · confirms trial {confirmed}"
    return f"trial {number}{purpose} · {config.model.shape}{score}"
