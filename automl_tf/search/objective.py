"""The objective of a search: one trial, from its configuration to its result.

Errors never cross the training loop: they pause the training, and are raised or classified after
it. A trial that begins again, with smaller batches or because its checkpoint is gone, is a new
attempt: its curve, its statistics and its MLflow run begin empty.
"""

import shutil
import traceback

import optuna
from optuna.trial import TrialState

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparationPausedError, PreparedData, prepare
from automl_tf.decoding.constraints import SearchOptions
from automl_tf.decoding.latency import median_latency_ms
from automl_tf.device import (
    default_device,
    device_name,
    free_memory,
    inference_dtype,
)
from automl_tf.errors import UserError
from automl_tf.search import schema
from automl_tf.search.context import WorkerContext
from automl_tf.search.costs import Costs, above_limit, beyond_limits, costs
from automl_tf.search.events import LogMessage
from automl_tf.search.loggers import RUN_STATES, TrialLogger
from automl_tf.search.optuna_compat import delete_intermediate_values
from automl_tf.search.ownership import MAX_LOSSES, Heartbeat, Ownership, count_loss
from automl_tf.search.pruners.build import decide
from automl_tf.search.schema import FailureKind
from automl_tf.search.sessions import begin_session, end_session
from automl_tf.search.steering import STOPPED
from automl_tf.search.trial_result import (
    LOST,
    TrialResult,
    classified,
    failed,
    is_of_machine,
)
from automl_tf.tracking.outbox import RunState
from automl_tf.training.checkpoints import LAST_CHECKPOINT, TrainingDirectory, TrainingIdentity
from automl_tf.training.events import CurvePoint, Decision, FitResult, Outcome, Validation
from automl_tf.training.fit import fit
from automl_tf.training.footprint import smaller_batches
from automl_tf.training.module import build_model, build_translator
from automl_tf.versions import environment

LARGEST_SAMPLE = 2000
"""Sentences of a validation, the first, whose statistics are kept with each step."""
MOST_COMPARED = 5
"""Complete trials, the best, whose sentence statistics of each validation are kept."""
MAX_IO_ERRORS = 3
"""Errors of disks or networks after which a trial fails."""


def run_trial(
    trial: optuna.Trial, ownership: Ownership, heartbeat: Heartbeat, context: WorkerContext
) -> TrialResult:
    """Runs one claimed trial: trains the proposed configuration and returns its result.

    Raises:
        UserError: If the storage is away for too long, or a disk is full. The trial can resume.
    """
    return _TrialRunner(trial, ownership, heartbeat, context).run()


class _TrialRunner:
    """The steps of a trial, in their order."""

    def __init__(
        self,
        trial: optuna.Trial,
        ownership: Ownership,
        heartbeat: Heartbeat,
        context: WorkerContext,
    ) -> None:
        self._trial = trial
        self._ownership = ownership
        self._heartbeat = heartbeat
        self._context = context
        self._reason: str | None = None
        self._interruption: Exception | None = None
        self._pause_reason: str | None = None
        self._logger = self._new_logger()

    def run(self) -> TrialResult:
        """Trains, once more with smaller batches if memory runs out, and records the result."""
        result = self._known_failure() or self._attempt()
        if result.failure is FailureKind.OUT_OF_MEMORY:
            result = self._with_smaller_batches(result)
        elif result.failure is FailureKind.IO_ERROR:
            result = self._to_be_retried(result)
        elif result.failure is FailureKind.WORKER_LOST:
            result = self._for_another_worker(result)
        if result.state != TrialState.RUNNING:
            self._record(result)
        return result

    def _known_failure(self) -> TrialResult | None:
        """The result of a trial whose very settings are known to fail."""
        if self._context.is_confirmation:
            return None
        trials = self._context.study.get_trials(deepcopy=False)
        for number, params in schema.known_failures(trials).items():
            if params == self._trial.params:
                reason = f"not trained: trial {number} failed with these settings"
                return failed(reason, schema.failure_kind(trials[number]))
        return None

    def _with_smaller_batches(self, result: TrialResult) -> TrialResult:
        smaller = smaller_batches(self._config())
        if smaller is None or schema.SMALLER_BATCHES in self._trial.user_attrs:
            return result
        words = ", ".join(f"{name} = {value}" for name, value in smaller.items())
        self._context.tell(
            LogMessage(f"trial {self._trial.number}: out of memory; it begins again with {words}")
        )
        self._trial.set_user_attr(schema.SMALLER_BATCHES, smaller)
        self._begin_again(f"{result.reason}; begun again with {words}")
        return self._attempt()

    def _to_be_retried(self, result: TrialResult) -> TrialResult:
        """Puts a trial that a disk or a network has failed back into the queue, some times."""
        count = 1 + self._trial.user_attrs.get(schema.IO_ERRORS, 0)
        self._trial.set_user_attr(schema.IO_ERRORS, count)
        if count >= MAX_IO_ERRORS:
            return result
        return TrialResult(TrialState.WAITING, reason=result.reason, failure=result.failure)

    def _for_another_worker(self, result: TrialResult) -> TrialResult:
        """Puts a trial whose device died back into the queue, unless it kills one after another."""
        count = count_loss(self._context.storage, self._ownership.trial_id)
        if count < MAX_LOSSES:
            return TrialResult(TrialState.WAITING, reason=result.reason, failure=result.failure)
        reason = f"{result.reason}; {count} times without a validation between"
        return failed(reason, result.failure)

    def _attempt(self) -> TrialResult:
        """One attempt with the settings that the trial has now; its errors become reasons."""
        try:
            result = self._to_its_end()
        except Exception as error:  # one trial's failure must not end the study
            if is_of_machine(error):
                raise
            result = classified(error)
            if not isinstance(error, UserError):
                self._logger.attach("error.txt", traceback.format_exc())
        if result.state == TrialState.FAIL and result.failure is not FailureKind.WORKER_LOST:
            # The error, and with it what its frames held, is gone now.
            free_memory()
        return result

    def _config(self) -> TrialConfig:
        return self._context.trial_config(self._trial.number, schema.settings_of(self._trial))

    def _new_logger(self) -> TrialLogger:
        attempt = self._trial.user_attrs.get(schema.ATTEMPT) or 1
        return TrialLogger(self._trial, attempt, self._config(), self._context.tracking)

    def _to_its_end(self) -> TrialResult:
        """Trains, unless a constraint forbids it.

        Raises:
            UserError: If the corpus or the devices do not serve.
        """
        config, context = self._config(), self._context
        limit = self._exceeded_limit(beyond_limits(config, context.config.constraints))
        if limit is not None:
            return self._refused(limit)
        try:
            data = prepare(config, context.home / "cache", context.should_pause)
        except PreparationPausedError:
            return TrialResult(TrialState.WAITING, reason="paused before its training began")
        known = self._measure(config, data)
        limit = self._exceeded_limit(known)
        if limit is not None:
            return self._refused(limit)
        self._begin_or_resume(TrainingIdentity.of(config, data.fingerprint))
        self._logger.begin(config, data, known, context.precision(config))
        worker = self._trial.user_attrs.get(schema.WORKER, "")
        begin_session(self._trial, worker, max(schema.validations(self._trial), default=0))
        directory = context.directory(self._trial.number)
        hooks = (self._observe, self._progress, self._should_pause)
        precision, is_owner = context.precision(config), self._is_owner
        result = fit(config, data, directory, *hooks, is_owner=is_owner, precision=precision)
        if self._interruption is not None:
            raise self._interruption
        if result.outcome is Outcome.LOST:
            return LOST
        self._trial.set_user_attr(schema.SECONDS, result.seconds)
        self._trial.set_user_attr(schema.BEST_STEP, result.best_step)
        if result.outcome.is_final:
            (directory / LAST_CHECKPOINT).unlink(missing_ok=True)
        return self._ending(result)

    def _begin_or_resume(self, identity: TrainingIdentity) -> None:
        """Resumes from the checkpoint of the present attempt, or begins an attempt without one."""
        directory = TrainingDirectory(self._context.directory(self._trial.number))
        if directory.is_outdated:
            self._begin_again("its checkpoint is of an earlier version; begun again")
        elif schema.validations(self._trial) and directory.open(identity) is None:
            self._begin_again("its checkpoint is gone; begun again")
        if not self._trial.user_attrs.get(schema.ATTEMPT):
            self._trial.set_user_attr(schema.ATTEMPT, 1)

    def _begin_again(self, reason: str) -> None:
        """Ends the present attempt and begins the next, with an empty curve."""
        trial, number = self._trial, self._trial.user_attrs.get(schema.ATTEMPT, 1)
        curve = schema.validations(trial)
        ended = {"attempt": number, "reason": reason, "last_step": max(curve, default=0)}
        self._logger.end(RunState.FAILED, reason)
        trial.set_user_attr(schema.ATTEMPTS, [*trial.user_attrs.get(schema.ATTEMPTS, ()), ended])
        for name in schema.OF_ATTEMPT:
            if name in trial.user_attrs:
                trial.set_user_attr(name, {})
        trial.set_user_attr(schema.BEST_STEP, None)
        trial.set_user_attr(schema.SECONDS, 0.0)
        trial.set_user_attr(schema.ATTEMPT, number + 1)
        delete_intermediate_values(self._context.storage, self._ownership.trial_id)
        # Optuna's trial keeps what it has read.
        self._trial = optuna.Trial(self._context.study, self._ownership.trial_id)
        shutil.rmtree(self._context.directory(trial.number), ignore_errors=True)
        self._logger = self._new_logger()

    def _refused(self, reason: str) -> TrialResult:
        self._trial.set_user_attr(schema.INFEASIBLE, True)  # noqa: FBT003 - the attribute's value
        return TrialResult(TrialState.PRUNED, reason=reason)

    def _measure(self, config: TrialConfig, data: PreparedData) -> Costs:
        """Costs of the trial by the names of the constraints; latency is measured once."""
        precision = self._context.precision(config)
        known = costs(config, data, precision)
        self._size = int(known[schema.NUM_PARAMETERS])
        needed = (*self._context.config.objectives, *self._context.config.constraints)
        if schema.LATENCY in needed:
            # Another time would be another number, and could refuse a trial that is half trained.
            measured = self._trial.user_attrs.get(schema.LATENCY)
            known[schema.LATENCY] = measured or _latency(config, data)
        machine = {"device": device_name(), "precision": precision}
        provenance = {schema.SEED: config.seed, schema.ENVIRONMENT: environment() | machine}
        for name, value in {**known, **provenance}.items():
            self._trial.set_user_attr(name, value)
        return known

    def _exceeded_limit(self, costs: Costs) -> str | None:
        """The first constraint on these costs that is broken, in words."""
        for name, limit in self._context.config.constraints.items():
            if name not in costs:
                continue
            cost = costs[name]
            self._trial.set_constraint(name, cost - limit)
            if cost > limit:
                return above_limit(name, cost, limit)
        return None

    def _is_owner(self) -> bool:
        try:
            return self._ownership.holds()
        except Exception as error:  # noqa: BLE001 - raised again after the training
            self._interruption = error
            return True

    def _progress(self, point: CurvePoint) -> None:
        self._heartbeat.note_progress(_progress_of(point))

    def _observe(self, validation: Validation) -> Decision:
        """Records a validation and judges the trial; an error pauses the training."""
        if self._interruption is not None:
            return Decision.PAUSE
        try:
            self._record_validation(validation)
            return self._judge(validation)
        except Exception as error:  # noqa: BLE001 - raised again after the training
            self._interruption = error
            return Decision.PAUSE

    def _record_validation(self, validation: Validation) -> None:
        trial, scores, step = self._trial, validation.scores, validation.step
        now = {"bleu": scores.bleu, "chrf": scores.chrf, "loss": validation.loss}
        now["sentences"] = len(validation.sentences)
        if validation.curve:
            last = validation.curve[-1]
            now.update(train_loss=last.loss, tokens_per_second=last.tokens_per_second)
            # A short training may end before its heartbeat has noted any progress.
            trial.set_user_attr(schema.PROGRESS, _progress_of(last))
        before = trial.user_attrs.get(schema.VALIDATIONS, {})
        trial.set_user_attr(schema.VALIDATIONS, {**before, str(step): now})
        kept = trial.user_attrs.get(schema.SENTENCES, {})
        text = validation.sentences.first(LARGEST_SAMPLE).to_text()
        trial.set_user_attr(schema.SENTENCES, {**kept, str(step): text})
        trial.set_user_attr(schema.SECONDS, validation.seconds)
        samples = self._logger.validated(validation)
        if validation.is_best:
            trial.set_user_attr(schema.SAMPLES, samples)

    def _judge(self, validation: Validation) -> Decision:
        # A confirmation always runs to its end.
        if self._context.is_confirmation:
            return Decision.CONTINUE
        if len(self._context.config.objectives) == 1:
            self._trial.report(validation.scores.bleu, validation.step)
        mine = self._context.study.get_trials(deepcopy=False)[self._trial.number]
        if schema.STOP in mine.user_attrs:
            self._reason = STOPPED
            return Decision.STOP
        found = decide(
            self._context.config,
            self._context.study,
            self._trial.number,
            validation.step,
            self._config().training.max_steps,
        )
        if found.expected is not None:
            schema.note_forecast(self._trial, found.expected)
        self._reason = found.reason
        if found.stop:
            return Decision.STOP
        self._ask_scheduler()
        return Decision.CONTINUE

    def _ask_scheduler(self) -> None:
        """Has the trial pause after this validation if another one is to have the next slice."""
        context, scheduler, number = self._context, self._context.freeze_thaw, self._trial.number
        if scheduler is None:
            return
        trials = context.study.get_trials(deepcopy=False)
        schema.note_forecast(self._trial, scheduler.forecast(trials[number], trials))
        sampler = context.proposing_sampler(trials)
        self._pause_reason = scheduler.reason_to_pause(
            context.study, sampler, number, context.seconds_left
        )

    def _should_pause(self) -> bool:
        return self._pause_reason is not None or self._context.should_pause()

    def _ending(self, result: FitResult) -> TrialResult:
        match result.outcome:
            case Outcome.STOPPED:
                return TrialResult(TrialState.PRUNED, reason=self._reason)
            case Outcome.PAUSED:
                why = "" if self._pause_reason is None else f": {self._pause_reason}"
                return TrialResult(TrialState.WAITING, reason=f"paused at step {result.step}{why}")
            case Outcome.DIVERGED:
                reason = f"diverged: loss or gradient is not finite by step {result.step}"
                return failed(reason, FailureKind.DIVERGED)
        if result.best is None:
            return failed("no validation BLEU", FailureKind.INVALID)
        reached = {
            "bleu": result.best.bleu,
            "chrf": result.best.chrf,
            "num_parameters": float(self._size),
            "latency": self._trial.user_attrs.get(schema.LATENCY),
            "train_hours": result.seconds / 3600,
        }
        assert result.best_sentences is not None, "they are kept with the best scores"
        self._trial.set_user_attr(schema.BEST_SENTENCES, result.best_sentences.to_text())
        values = tuple(reached[name] for name in self._context.config.objectives)
        return TrialResult(TrialState.COMPLETE, values=values)  # type: ignore[arg-type]

    def _record(self, result: TrialResult) -> None:
        """Keeps the result with the trial and in MLflow, before the state is told."""
        trial = self._trial
        if result.state != TrialState.WAITING and not self._is_among_best(result):
            trial.set_user_attr(schema.SENTENCES, {})
        trial.set_user_attr(schema.REASON, result.reason)
        end_session(trial, max(schema.validations(trial), default=0), result.reason)
        if result.state == TrialState.FAIL:
            trial.set_user_attr(schema.FAILURE, result.failure)
        self._logger.end(RUN_STATES[result.state], result.reason)
        trial.set_user_attr(schema.RUN_ID, self._logger.run_id)

    def _is_among_best(self, result: TrialResult) -> bool:
        """Whether later trials will be compared with this one, sentence by sentence."""
        if result.state != TrialState.COMPLETE or self._context.is_confirmation:
            return False
        states = (TrialState.COMPLETE,)
        complete = self._context.study.get_trials(deepcopy=False, states=states)
        mine = schema.best_bleu(self._trial) or 0.0
        return sum((schema.best_bleu(other) or 0.0) > mine for other in complete) < MOST_COMPARED


def _progress_of(point: CurvePoint) -> dict[str, float | None]:
    speed = point.tokens_per_second
    return {"step": point.step, "loss": point.loss, "tokens_per_second": speed}


def _latency(config: TrialConfig, data: PreparedData) -> float:
    """Milliseconds a sentence of what a bundle would ship: its engine, device, dtype and beam."""
    model = build_model(config, data).to(default_device(), inference_dtype())
    translator = build_translator(model, config, data)
    options = SearchOptions(config.decoding.beam_size, config.decoding.length_penalty)
    return median_latency_ms(translator, data.validation.sources(), options)
