"""A worker: claims one trial after another until the study's budget is spent."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState

from automl_tf.errors import DeadDeviceError, UserError, disk_is_full, full_disk
from automl_tf.search.confirmation import num_running, open_confirmation, queue_confirmations
from automl_tf.search.context import WorkerContext
from automl_tf.search.events import LogMessage
from automl_tf.search.export import trials_to_keep
from automl_tf.search.freeze_thaw import Ending, FreezeThaw
from automl_tf.search.objective import MAX_IO_ERRORS, run_trial
from automl_tf.search.optuna_compat import reserve_trial, sampled, start_waiting, trial_id_of
from automl_tf.search.ownership import (
    Heartbeat,
    LivenessMonitor,
    Ownership,
    requeue,
    requeue_lost_trials,
)
from automl_tf.search.retries import StorageUnreachableError, is_away, with_retries
from automl_tf.search.samplers.build import distributions, grid
from automl_tf.search.schema import MAX_STEPS, ORIGIN, REASON, FailureKind, Origin, is_paused
from automl_tf.search.storage import claiming
from automl_tf.search.study_view import StudyView
from automl_tf.search.trial_result import TrialResult
from automl_tf.training.checkpoints import remove_weights_of_others

MAX_INFEASIBLE_IN_A_ROW = 200
WAIT_SECONDS = 1.0
"""Time between two looks at trials of other workers that decide whether there is more to do."""
SAMPLING_SECONDS = 60.0
"""Longest wait for workers that claimed earlier and have not sampled yet."""

OpenConfirmation = Callable[[optuna.Study], WorkerContext]
"""Makes the context of a study of confirmations."""


@dataclass(frozen=True)
class Claim:
    """A trial that this worker owns.

    Attributes:
        context: The context of its study: the search's, or that of its confirmations.
        trial: The trial with its parameters.
        ownership: The right to train it.
    """

    context: WorkerContext
    trial: optuna.Trial
    ownership: Ownership


Reserved = tuple[WorkerContext, int, Ownership]
"""A trial that this worker owns, by number; its parameters may still have to be sampled."""


class Worker:
    """Runs the trials of a study in this process.

    Args:
        context: The study and what its trials need.
        confirming: Makes the context of the study of its confirmations.
    """

    def __init__(self, context: WorkerContext, confirming: OpenConfirmation) -> None:
        self._context = context
        self._confirming = confirming
        self._confirmations: WorkerContext | None = None
        self._liveness = LivenessMonitor(context.storage, context.study)
        self._io_errors = 0

    def work(self) -> None:
        """Runs trials until the budget is spent or the worker is asked to leave.

        Raises:
            UserError: If a disk is full or fails, or the storage is away for too long.
            DeadDeviceError: If only a new process can use the device.
        """
        while not self._context.should_pause():
            try:
                claimed = self.claim()
            except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
                if not is_away(error):
                    raise
                self._reload()
                continue
            if claimed is not None:
                self._run(claimed)
            elif self._may_yet_claim():
                time.sleep(WAIT_SECONDS)
            else:
                return

    def claim(self) -> Claim | None:
        """Returns the next trial: one that waits, or a new one within the budget.

        When the search is over, one that confirms its best configurations, if the study asks for
        that. The lock of the study is held while a trial is reserved, and not while its parameters
        are sampled: the workers sample one after the other, in the order of the trials' numbers.
        """
        reserved = self._reserve()
        if reserved is None:
            return None
        context, number, ownership = reserved
        _wait_for_earlier(context.study, number)
        context.study.sampler = context.sampler(number, context.study.get_trials(deepcopy=False))
        trial = sampled(context.study, ownership.trial_id, distributions(context.record.space))
        if ORIGIN not in trial.user_attrs:
            trial.set_user_attr(ORIGIN, Origin.SAMPLER)
        return Claim(context, trial, ownership)

    def _reserve(self) -> Reserved | None:
        context = self._context
        with claiming(context.storage, context.config.name):
            requeued = requeue_lost_trials(self._liveness, context.storage)
            trials = context.study.get_trials(deepcopy=False)
            for number in requeued:
                context.tell(loss(trials[number]))
            if context.freeze_thaw is not None:
                reserved = _reserve_scheduled(context, context.freeze_thaw, trials)
            elif _may_start(context):
                reserved = _take(context, _first_waiting(trials))
            else:
                reserved = None
            return reserved or self._reserve_confirmation(trials)

    def _reserve_confirmation(self, trials: list[FrozenTrial]) -> Reserved | None:
        """The first trial that confirms the best, after the missing ones were queued."""
        asked = self._context.config.confirm
        if asked is None:
            return None
        if self._confirmations is None:
            searched = self._context
            study = open_confirmation(searched.storage, searched.study, searched.record)
            self._confirmations = self._confirming(study)
            self._confirmed_liveness = LivenessMonitor(self._context.storage, study)
        context = self._confirmations
        requeue_lost_trials(self._confirmed_liveness, context.storage)
        queued = queue_confirmations(context.study, trials, asked)
        if queued:
            which = ", ".join(f"{one.trial.number} (BLEU {one.bleu:.2f})" for one in queued)
            words = f"to be confirmed with {asked.seeds} fresh seeds each, the best: {which}"
            self._context.tell(LogMessage(words))
        waiting = _first_waiting(context.study.get_trials(deepcopy=False))
        return None if waiting is None else _take(context, waiting)

    def _may_yet_claim(self) -> bool:
        """Whether what other workers do can leave something to do for this one."""
        trials = self._context.study.get_trials(deepcopy=False)
        is_to_confirm = self._context.config.confirm is not None and num_running(trials) > 0
        return is_to_confirm or self._liveness.suspects()

    def _reload(self) -> None:
        """Forgets what Optuna has cached of a claim that was undone."""
        old = self._context
        study = optuna.load_study(
            study_name=old.study.study_name, storage=old.storage, pruner=old.study.pruner
        )
        self._context = dataclasses.replace(old, study=study)
        self._liveness = LivenessMonitor(old.storage, study)
        self._confirmations = None

    def _run(self, claimed: Claim) -> None:
        context, trial = claimed.context, claimed.trial
        with Heartbeat(claimed.ownership) as heartbeat:
            try:
                result = run_trial(trial, claimed.ownership, heartbeat, context)
            except Exception as error:
                # Where the storage takes nothing, the next worker finds this one gone.
                if not isinstance(error, StorageUnreachableError):
                    with contextlib.suppress(Exception):
                        _tell(claimed, TrialResult(TrialState.WAITING))
                if disk_is_full(error):
                    raise full_disk(error) from error
                raise
            with_retries(lambda: _tell(claimed, result))
        if result.state.is_finished():
            _drop_weights(context)
        self._heed(result)

    def _heed(self, result: TrialResult) -> None:
        """Leaves where every further trial would meet an error of the device, disk or network."""
        if result.failure is FailureKind.WORKER_LOST:
            raise DeadDeviceError(result.reason or "")
        if result.failure is not FailureKind.IO_ERROR:
            self._io_errors = 0
            return
        self._io_errors += 1
        if self._io_errors >= MAX_IO_ERRORS:
            raise UserError(
                f"{self._io_errors} trials in a row met errors of a disk or a network, the last: "
                f"{result.reason}.",
                "Mend it, then run the same command again: the study resumes.",
            )


def _wait_for_earlier(study: optuna.Study, number: int) -> None:
    """Waits until trials with smaller numbers have their parameters, which samplers look at."""
    deadline = time.monotonic() + SAMPLING_SECONDS
    while time.monotonic() < deadline:
        trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if all(trial.params for trial in trials if trial.number < number):
            return
        time.sleep(WAIT_SECONDS / 10)


def _reserve_scheduled(
    context: WorkerContext, scheduler: FreezeThaw, trials: list[FrozenTrial]
) -> Reserved | None:
    """The trial that the scheduler chooses; configurations that are given come first."""
    given = [
        trial for trial in trials if trial.state == TrialState.WAITING and not is_paused(trial)
    ]
    if given and len(trials) - len(given) < context.config.budget.trials:
        return _take(context, given[0])
    assigned = scheduler.next(
        context.study, context.proposing_sampler(trials), context.seconds_left
    )
    if isinstance(assigned, Ending):
        context.tell(LogMessage(f"no more is begun: {assigned.reason}"))
        return None
    if assigned.number is None:
        return _take(context, None)
    chosen = trials[assigned.number]
    context.tell(LogMessage(f"trial {chosen.number} goes on: {assigned.reason}"))
    if assigned.max_steps is not None:
        context.storage.set_trial_user_attr(trial_id_of(chosen), MAX_STEPS, assigned.max_steps)
    return _take(context, chosen)


def _first_waiting(trials: list[FrozenTrial]) -> FrozenTrial | None:
    return next((trial for trial in trials if trial.state == TrialState.WAITING), None)


def _take(context: WorkerContext, waiting: FrozenTrial | None) -> Reserved:
    """Makes this worker the owner of a waiting trial, or of a new one."""
    if waiting is None:
        trial_id = reserve_trial(context.study)
    else:
        start_waiting(context.study, waiting)
        trial_id = trial_id_of(waiting)
    ownership = Ownership.take(context.storage, trial_id)
    number = context.storage.get_trial(trial_id).number
    return context, number, ownership


def _may_start(context: WorkerContext) -> bool:
    """Whether the budget holds one more trial, waiting or new."""
    view = StudyView.read(context.study)
    counted = [trial for trial in view.trials if trial.counts_against_budget]
    started = sum(trial.state != "waiting" for trial in counted)
    if started >= context.config.budget.trials:
        return False
    if started < len(counted):
        return True
    if context.config.sampler.kind == "grid":
        return len(view.trials) < math.prod(map(len, grid(context.record.space).values()))
    last = view.trials[-MAX_INFEASIBLE_IN_A_ROW:]
    if len(last) < MAX_INFEASIBLE_IN_A_ROW or any(trial.is_feasible for trial in last):
        return True
    words = f"the last {MAX_INFEASIBLE_IN_A_ROW} proposals broke a constraint: the search ends "
    context.tell(LogMessage(words + "here. Loosen the constraints or shrink the space."))
    return False


def _tell(claimed: Claim, result: TrialResult) -> None:
    """Tells the storage how a trial ended, unless another worker has taken it over."""
    context, trial, ownership = claimed.context, claimed.trial, claimed.ownership
    with claiming(context.storage, context.config.name):
        if not ownership.holds():
            words = f"trial {trial.number}: another worker has taken it over; this one lets go"
            context.tell(LogMessage(words))
        elif result.state == TrialState.WAITING:
            requeue(context.storage, ownership.trial_id)
        elif result.state != TrialState.RUNNING:
            values = list(result.values) if result.state == TrialState.COMPLETE else None
            context.study.tell(trial.number, values, state=result.state)


def _drop_weights(context: WorkerContext) -> None:
    """Removes the weights of ended trials that are not among the best."""
    trials = context.study.get_trials(deepcopy=False)
    unfinished = {trial.number for trial in trials if not trial.state.is_finished()}
    remove_weights_of_others(
        context.directory(0).parent, trials_to_keep(context.study) | unfinished
    )


def loss(trial: FrozenTrial) -> LogMessage:
    """Returns what became of a trial whose worker is gone."""
    if trial.state == TrialState.FAIL:
        return LogMessage(f"trial {trial.number} has failed: {trial.user_attrs[REASON]}")
    return LogMessage(f"trial {trial.number} is queued again: its worker is gone")
