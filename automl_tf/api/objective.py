"""An objective for anybody's own Optuna study: a trial trains a Transformer, pruned by BLEU."""

import atexit
import uuid
from collections.abc import Mapping
from pathlib import Path

import optuna

from automl_tf.api.studies import Study
from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import DIRECTIONS, Limit
from automl_tf.data.prepare import prepare
from automl_tf.device import resolve_precision
from automl_tf.formatting import HOUR
from automl_tf.home import HomeDirectory
from automl_tf.scoring.tokenizers import with_tokenizer
from automl_tf.search import schema
from automl_tf.search.costs import above_limit, beyond_limits, costs
from automl_tf.search.loggers import DELIVERY_SECONDS, TrialLogger
from automl_tf.search.samplers.build import suggested
from automl_tf.tracking.client import TrackingTarget
from automl_tf.tracking.outbox import RunState
from automl_tf.tracking.runs import StudyRun
from automl_tf.training.checkpoints import TrainingDirectory
from automl_tf.training.events import Decision, FitResult, Outcome, Validation
from automl_tf.training.fit import fit


class Objective:
    """The training of one configuration, as an objective of Optuna.

        study = optuna.create_study(directions=objective.directions, pruner=MedianPruner())
        study.optimize(objective, n_trials=20)

    The space, the corpus and the fixed settings are those of a study; its sampler, pruner, storage
    and budget are Optuna's own. BLEU is reported after each validation, by optimizer step, so that
    any pruner of one objective works. Trials are logged to MLflow as those of ``search``.

    Args:
        study: The study, or the file of one.
    """

    def __init__(self, study: Study | str | Path) -> None:
        self._study = study if isinstance(study, Study) else Study.from_file(study)
        self._runs: dict[str, StudyRun] = {}
        atexit.register(self.close)

    @property
    def directions(self) -> list[str]:
        """The direction of each objective, for ``optuna.create_study``."""
        return [DIRECTIONS[name] for name in self._study.files.config.objectives]

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, ...]:
        """Trains the configuration that the trial's sampler chooses.

        Returns:
            The best validation BLEU, or a value for each objective of the study.

        Raises:
            optuna.TrialPruned: If the pruner stops it, or if it is beyond a constraint.
            RuntimeError: If it diverged.
        """
        files = self._study.files
        params = suggested(trial, files.space)
        seed = schema.trial_seed(files.config.seed, trial.number)
        config = with_tokenizer(files.trial_config(params, seed))
        logger = TrialLogger(trial, 1, config, self._run(trial.study))
        trial.set_user_attr(schema.SEED, seed)
        try:
            values = self._train(trial, config, logger)
        except optuna.TrialPruned as pruned:
            logger.end(RunState.PRUNED, str(pruned))
            raise
        except BaseException as error:
            logger.end(RunState.FAILED, f"{type(error).__name__}: {error}")
            raise
        logger.end(RunState.COMPLETE, None)
        trial.set_user_attr(schema.RUN_ID, logger.run_id)
        return values[0] if len(values) == 1 else values

    def close(self) -> None:
        """Waits until MLflow has what was logged. It is called when the program ends, too."""
        for run in self._runs.values():
            run.finish(RunState.COMPLETE)
            run.close(DELIVERY_SECONDS)
        self._runs.clear()

    def _train(
        self, trial: optuna.Trial, config: TrialConfig, logger: TrialLogger
    ) -> tuple[float, ...]:
        study, home = self._study, HomeDirectory(self._study.home)
        limits = study.files.config.constraints
        _check(beyond_limits(config, limits), limits)
        data = prepare(config, home.cache)
        precision = resolve_precision(config.training.precision, home.cache)
        known = costs(config, data, precision)
        _check(known, limits)
        trial.set_user_attr(schema.NUM_PARAMETERS, int(known[schema.NUM_PARAMETERS]))
        logger.begin(config, data, known, precision)
        prunes = len(study.files.config.objectives) == 1

        def observe(validation: Validation) -> Decision:
            logger.validated(validation)
            if not prunes:
                return Decision.CONTINUE
            trial.report(validation.scores.bleu, validation.step)
            return Decision.STOP if trial.should_prune() else Decision.CONTINUE

        directory = home.trial(trial.study.study_name, _study_id(trial.study), trial.number)
        result = fit(config, data, directory, observe, precision=precision)
        TrainingDirectory(directory).checkpoint.unlink(missing_ok=True)
        if result.outcome is Outcome.STOPPED:
            raise optuna.TrialPruned(f"pruned at step {result.step}")
        if result.best is None:
            raise RuntimeError(f"the training diverged by step {result.step}")
        return self._values(result, known)

    def _values(self, result: FitResult, known: Mapping[str, float]) -> tuple[float, ...]:
        assert result.best is not None, "it has finished"
        reached = {
            **known,
            "bleu": result.best.bleu,
            "chrf": result.best.chrf,
            "train_hours": result.seconds / HOUR,
        }
        return tuple(float(reached[name]) for name in self._study.files.config.objectives)

    def _run(self, study: optuna.Study) -> StudyRun:
        """The run in MLflow that the runs of the study's trials belong to."""
        name = study.study_name
        if name not in self._runs:
            home, tracking = self._study.home, self._study.tracking
            target = TrackingTarget.of_study(home, name, _study_id(study), tracking, title=name)
            self._runs[name] = StudyRun.open(target, f"**{name}**: a study of Optuna.", {})
        return self._runs[name]


def _check(known: Mapping[str, float], limits: Mapping[Limit, float]) -> None:
    """Raises ``optuna.TrialPruned`` if a cost is beyond its limit."""
    for name, limit in limits.items():
        if known.get(name, 0.0) > limit:
            raise optuna.TrialPruned(above_limit(name, known[name], limit))


def _study_id(study: optuna.Study) -> str:
    """The UUID of a study, which it is given where it has none."""
    if schema.STUDY_ID not in study.user_attrs:
        study.set_user_attr(schema.STUDY_ID, str(uuid.uuid4()))
    found: str = study.user_attrs[schema.STUDY_ID]
    return found
