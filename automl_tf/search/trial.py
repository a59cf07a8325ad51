"""One trial: from proposed parameters to a value, a pruning or a failure with its reason."""

import shutil
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import StudyConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.data.subwords import BOS, EOS, PAD
from automl_tf.decoding.latency import median_latency_ms
from automl_tf.errors import UserError, disk_is_full
from automl_tf.search.costs import Costs, beyond_limits, costs
from automl_tf.search.events import (
    Event,
    Notice,
    TrialProgress,
    TrialStarted,
    TrialValidated,
)
from automl_tf.search.record import (
    BEST_SENTENCES,
    BEST_STEP,
    HOPELESS,
    INFEASIBLE,
    NUM_PARAMETERS,
    REASON,
    RUN_ID,
    SAMPLES,
    SECONDS,
    SEED,
    SENTENCES,
    SMALLER_BATCHES,
    VALIDATIONS,
    Definition,
    best_bleu,
    hopeless,
    settings_of,
)
from automl_tf.search.story import TrialStory
from automl_tf.search.strategy import pruning_reason, trial_seed
from automl_tf.tracking.study import StudyRun
from automl_tf.training.checkpoints import LAST_CHECKPOINT
from automl_tf.training.fit import fit
from automl_tf.training.memory import free_memory, is_out_of_memory, smaller_batches
from automl_tf.training.module import build_model
from automl_tf.training.watching import (
    CurvePoint,
    Decision,
    FitResult,
    Outcome,
    Pause,
    Validation,
)

MOST_COMPARED = 5
"""Complete trials, the best, whose sentence statistics of each validation are kept."""
LARGEST_SAMPLE = 2000
"""Sentences of a validation, the first, whose statistics are kept with each step."""

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
"""States as ``show --json`` spells them."""


@dataclass(frozen=True)
class Bench:
    """What every trial of a worker needs.

    Attributes:
        storage: Where Optuna keeps it.
        study: The Optuna study.
        definition: What the study is.
        home: The home directory.
        tracking: The study's run in MLflow.
        tell: Where events go.
        should_pause: Whether the worker is to save its trial and leave.
    """

    storage: RDBStorage
    study: optuna.Study
    definition: Definition
    home: Path
    tracking: StudyRun
    tell: Callable[[Event], None]
    should_pause: Pause

    @property
    def config(self) -> StudyConfig:
        """The study file."""
        return self.definition.config

    def trial_config(self, number: int, settings: Mapping[str, Any]) -> TrialConfig:
        """The configuration of a trial with these settings."""
        return self.definition.study.trial_config(settings, trial_seed(self.config.seed, number))

    def directory(self, number: int) -> Path:
        """Where a trial keeps its checkpoints."""
        return trial_directory(self.home, self.config.name, number)


@dataclass(frozen=True)
class Ending:
    """How a trial ended: the state and, if it is complete, a value an objective."""

    state: TrialState
    values: tuple[float, ...] = ()
    reason: str | None = None
    is_worth_smaller_batches: bool = False


def trial_directory(home: Path, study_name: str, number: int) -> Path:
    """The directory of a trial's checkpoints."""
    return home / "studies" / study_name / f"trial-{number:04d}"


def run_trial(trial: optuna.Trial, bench: Bench) -> Ending:
    """Trains a proposed configuration; whatever goes wrong becomes a reason.

    Args:
        trial: A claimed trial with its parameters.
        bench: What the worker has.
    """
    config = bench.trial_config(trial.number, trial.params)
    story = TrialStory(trial, config, bench.tracking)
    ending = _failed_before(trial, bench) or _attempt(trial, story, bench)
    if ending.is_worth_smaller_batches and SMALLER_BATCHES not in trial.user_attrs:
        smaller = smaller_batches(config)
        if smaller is not None:
            _note_smaller_batches(trial, story, bench, smaller, ending.reason)
            ending = _attempt(trial, story, bench)
    if ending.is_worth_smaller_batches:
        trial.set_user_attr(HOPELESS, True)  # noqa: FBT003 - the attribute's value
    if ending.state != TrialState.WAITING and not _is_among_best(trial, ending, bench):
        trial.set_user_attr(SENTENCES, {})
    trial.set_user_attr(REASON, ending.reason)
    story.end(STATE_NAMES[ending.state], ending.reason)
    trial.set_user_attr(RUN_ID, story.run_id)
    return ending


def _failed_before(trial: optuna.Trial, bench: Bench) -> Ending | None:
    """The end of a trial whose very settings are known to fail, before it has begun."""
    known = hopeless(bench.study.get_trials(deepcopy=False))
    for number, params in known.items():
        if params == trial.params:
            return Ending(
                TrialState.FAIL, reason=f"not trained: trial {number} failed with these settings"
            )
    return None


def _is_among_best(trial: optuna.Trial, ending: Ending, bench: Bench) -> bool:
    """Whether later trials will be compared with this one, sentence by sentence."""
    if ending.state != TrialState.COMPLETE:
        return False
    complete = bench.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    mine = best_bleu(bench.study.trials[trial.number]) or 0.0
    return sum((best_bleu(other) or 0.0) > mine for other in complete) < MOST_COMPARED


def _attempt(trial: optuna.Trial, story: TrialStory, bench: Bench) -> Ending:
    """Trains the trial with the settings that it has now."""
    config = bench.trial_config(trial.number, settings_of(trial))
    try:
        ending = _Run(trial, config, story, bench).to_its_end()
    except UserError as error:
        ending = Ending(TrialState.FAIL, reason=str(error))
    except Exception as error:  # one trial's failure must not end the study
        if disk_is_full(error):
            raise
        ending = _failure(error)
        story.attach("error.txt", traceback.format_exc())
    if ending.state == TrialState.FAIL:
        # The error, and with it what its frames held, is gone now.
        free_memory()
    return ending


def _note_smaller_batches(
    trial: optuna.Trial,
    story: TrialStory,
    bench: Bench,
    smaller: Mapping[str, int],
    reason: str | None,
) -> None:
    """Lets the trial begin anew with as many tokens an update, and fewer at once."""
    trial.set_user_attr(SMALLER_BATCHES, smaller)
    words = ", ".join(f"{name} = {value}" for name, value in smaller.items())
    story.note_smaller_batches(words)
    why = (reason or "").partition(":")[0]
    bench.tell(Notice(f"trial {trial.number}: {why}; it begins anew with {words}"))
    # Its checkpoint counts in batches of the other size.
    shutil.rmtree(bench.directory(trial.number), ignore_errors=True)


def _amount(cost: float) -> str:
    """A number of parameters in full, milliseconds with their decimals."""
    return f"{cost:,.0f}" if float(cost).is_integer() else f"{cost:,.2f}"


def _failure(error: BaseException) -> Ending:
    text = str(error).strip().split("\n")[0]
    lacks_memory = is_out_of_memory(error)
    kind = "out of memory" if lacks_memory else type(error).__name__
    return Ending(TrialState.FAIL, reason=f"{kind}: {text}", is_worth_smaller_batches=lacks_memory)


class _Run:
    """The steps of one trial, in their order."""

    def __init__(
        self, trial: optuna.Trial, config: TrialConfig, story: TrialStory, bench: Bench
    ) -> None:
        self._trial = trial
        self._config = config
        self._story = story
        self._bench = bench
        self._reason: str | None = None
        self._latency: float | None = None

    def to_its_end(self) -> Ending:
        limit = self._exceeded_limit(beyond_limits(self._config, self._bench.config.constraints))
        if limit is not None:
            return self._refused(limit)
        data = prepare(self._config, self._bench.home / "cache")
        costs = self._measure(data)
        limit = self._exceeded_limit(costs)
        if limit is not None:
            return self._refused(limit)
        directory = self._bench.directory(self._trial.number)
        self._announce(resumed=(directory / LAST_CHECKPOINT).exists())
        self._story.begin(self._config, data, costs)
        result = fit(
            self._config, data, directory, self._observe, self._progress, self._bench.should_pause
        )
        self._trial.set_user_attr(SECONDS, result.seconds)
        self._trial.set_user_attr(BEST_STEP, result.best_step)
        if result.outcome is not Outcome.PAUSED:
            (directory / LAST_CHECKPOINT).unlink(missing_ok=True)
        return self._ending(result)

    def _refused(self, reason: str) -> Ending:
        self._trial.set_user_attr(INFEASIBLE, True)  # noqa: FBT003 - the attribute's value
        return Ending(TrialState.PRUNED, reason=reason)

    def _measure(self, data: PreparedData) -> Costs:
        """What the trial costs, by the names of the limits."""
        known = costs(self._config, data)
        for name, cost in known.items():
            self._trial.set_user_attr(name, cost)
        self._trial.set_user_attr(SEED, self._config.seed)
        self._size = int(known[NUM_PARAMETERS])
        needed = (*self._bench.config.objectives, *self._bench.config.constraints)
        if "latency" in needed:
            model = build_model(self._config, data)
            self._latency = median_latency_ms(
                model, data.validation.sources(), bos=BOS, eos=EOS, pad=PAD
            )
            self._trial.set_user_attr("latency", self._latency)
            known["latency"] = self._latency
        return known

    def _exceeded_limit(self, costs: Costs) -> str | None:
        """The first of the constraints on these costs that is broken, in words."""
        for name, limit in self._bench.config.constraints.items():
            if name not in costs:
                continue
            cost = costs[name]
            self._trial.set_constraint(name, cost - limit)
            if cost > limit:
                return (
                    f"not trained: {name} = {_amount(cost)} is above the limit of {_amount(limit)}"
                )
        return None

    def _announce(self, *, resumed: bool) -> None:
        self._bench.tell(
            TrialStarted(
                trial=self._trial.number,
                params=dict(self._trial.params),
                num_parameters=self._size,
                max_steps=self._config.training.max_steps,
                resumed=resumed,
            )
        )

    def _progress(self, point: CurvePoint) -> None:
        self._bench.tell(
            TrialProgress(self._trial.number, point.step, point.loss, point.tokens_per_second)
        )

    def _observe(self, validation: Validation) -> Decision:
        trial, scores, step = self._trial, validation.scores, validation.step
        told = trial.user_attrs.get(VALIDATIONS, {})
        now = {"bleu": scores.bleu, "chrf": scores.chrf, "loss": validation.loss}
        if validation.curve:
            last = validation.curve[-1]
            now.update(train_loss=last.loss, tokens_per_second=last.tokens_per_second)
        trial.set_user_attr(VALIDATIONS, {**told, str(step): now})
        self._keep_sentences(validation)
        trial.set_user_attr(SECONDS, validation.seconds)
        self._bench.tell(TrialValidated(trial.number, step, scores.bleu, scores.chrf))
        samples = self._story.validated(validation)
        if validation.is_best:
            trial.set_user_attr(SAMPLES, samples)
        if len(self._bench.config.objectives) > 1:
            return Decision.CONTINUE
        trial.report(scores.bleu, step)
        if step >= self._config.training.max_steps or not trial.should_prune():
            return Decision.CONTINUE
        trials = self._bench.study.get_trials(deepcopy=False)
        self._reason = pruning_reason(self._bench.config.pruner, trials, trial.number, step)
        return Decision.STOP

    def _keep_sentences(self, validation: Validation) -> None:
        kept = self._trial.user_attrs.get(SENTENCES, {})
        text = validation.sentences.first(LARGEST_SAMPLE).to_text()
        self._trial.set_user_attr(SENTENCES, {**kept, str(validation.step): text})

    def _ending(self, result: FitResult) -> Ending:
        match result.outcome:
            case Outcome.STOPPED:
                return Ending(TrialState.PRUNED, reason=self._reason)
            case Outcome.PAUSED:
                return Ending(TrialState.WAITING, reason=f"paused at step {result.step}")
            case Outcome.DIVERGED:
                return Ending(
                    TrialState.FAIL,
                    reason=f"diverged: loss or gradient is not finite by step {result.step}",
                    is_worth_smaller_batches=True,
                )
        if result.best is None:
            return Ending(TrialState.FAIL, reason="no validation BLEU")
        reached = {
            "bleu": result.best.bleu,
            "chrf": result.best.chrf,
            "num_parameters": float(self._size),
            "latency": self._latency,
            "train_hours": result.seconds / 3600,
        }
        assert result.best_sentences is not None, "they are kept with the best scores"
        self._trial.set_user_attr(BEST_SENTENCES, result.best_sentences.to_text())
        values = tuple(reached[name] for name in self._bench.config.objectives)
        return Ending(TrialState.COMPLETE, values=values)  # type: ignore[arg-type]
