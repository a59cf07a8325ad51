"""A worker: claims one trial after another until the study's budget is spent."""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from automl_tf.errors import disk_is_full, full_disk
from automl_tf.search.confirming.round import (
    SearchedStudy,
    first_waiting,
    num_running,
    queue_round,
    take,
)
from automl_tf.search.context import TrialResult, WorkerContext
from automl_tf.search.costs import effort, feasible
from automl_tf.search.events import Notice, WorkerJoined
from automl_tf.search.monitor import end_of, loss
from automl_tf.search.opening import pause_trial, requeue_stale_trials, this_worker
from automl_tf.search.retrying import is_away
from automl_tf.search.schema import INFEASIBLE, WORKER, hopeless, searched
from automl_tf.search.storage import HEARTBEAT_SECONDS, claiming
from automl_tf.search.strategy import build_sampler, distribution, grid
from automl_tf.search.trial import run_trial

MOST_INFEASIBLE_IN_A_ROW = 200
WAIT_SECONDS = 1.0
"""Between two looks at whether the last trials of others have ended, which decide who is best."""


def work(bench: WorkerContext) -> None:
    """Runs trials until the budget is spent or the worker is asked to leave.

    Args:
        bench: The study and what its trials need.
    """
    bench.tell(WorkerJoined(this_worker()))
    while not bench.should_pause():
        try:
            trial = claim(bench)
        except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
            if not is_away(error):
                raise
            bench = _anew(bench)
            continue
        if trial is None:
            if not _may_yet_confirm(bench):
                return
            time.sleep(WAIT_SECONDS)
            continue
        with _heartbeat(bench.storage, trial):
            try:
                ending = run_trial(trial, bench)
            except Exception as error:
                if not disk_is_full(error):
                    raise
                # Where the database has no room either, the next worker finds this one gone.
                with contextlib.suppress(Exception):
                    pause_trial(bench.storage, trial._trial_id)  # noqa: SLF001
                raise full_disk(error) from error
            _tell(bench, trial, ending)


def _anew(bench: WorkerContext) -> WorkerContext:
    """The bench after a claim was undone: Optuna's cache holds what is in the storage no more."""
    study = optuna.load_study(
        study_name=bench.config.name, storage=bench.storage, pruner=bench.study.pruner
    )
    return dataclasses.replace(bench, study=study)


def claim(bench: WorkerContext) -> optuna.Trial | None:
    """The next trial with its parameters: one that waits, or a new one within the budget.

    When the search is over, one that confirms its best configurations, if the study asks for that.
    """
    study = bench.study
    with claiming(bench.storage, bench.config.name):
        returned = requeue_stale_trials(bench.storage, study)
        trials = study.get_trials(deepcopy=False)
        for number in returned:
            bench.tell(loss(trials[number]))
        waiting = first_waiting(trials)
        if waiting is None and not _may_claim(bench, searched(trials)):
            waiting = _first_of_round(bench, trials)
            if waiting is None:
                return None
        space = {
            name: distribution(domain) for name, domain in bench.definition.space.domains.items()
        }
        trial = _ask(bench, trials, space) if waiting is None else take(study, waiting, space)
        trial.set_user_attr(WORKER, this_worker())
        bench.storage.record_heartbeat(trial._trial_id)  # noqa: SLF001
    return trial


def _ask(
    bench: WorkerContext, trials: list[FrozenTrial], space: dict[str, BaseDistribution]
) -> optuna.Trial:
    """A trial of the search: one that waits, or what the sampler proposes."""
    study, config = bench.study, bench.config
    study.sampler = build_sampler(
        config.sampler,
        bench.definition.space,
        config.seed,
        _next_number(trials),
        list(hopeless(trials).values()),
        feasible(bench.definition.study),
        effort(bench.definition.study),
    )
    return SearchedStudy(study).ask(space)


def _first_of_round(bench: WorkerContext, trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The first trial that confirms the best, after what is lacking was queued."""
    asked = bench.config.confirm
    if asked is None:
        return None
    queued = queue_round(bench.study, trials, asked)
    if not queued:
        return None
    which = ", ".join(f"{one.trial.number} (BLEU {one.bleu:.2f})" for one in queued)
    bench.tell(
        Notice(f"to be confirmed with {asked.seeds} fresh seeds each, the best trials: {which}")
    )
    return first_waiting(bench.study.get_trials(deepcopy=False))


def _may_yet_confirm(bench: WorkerContext) -> bool:
    """Whether trials of other workers still decide which configurations are to be confirmed."""
    trials = bench.study.get_trials(deepcopy=False)
    return bench.config.confirm is not None and num_running(trials) > 0


def _next_number(trials: list[FrozenTrial]) -> int:
    """The number of the trial that Optuna gives out next: the first that waits, or a new one."""
    waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
    return min(waiting, default=len(trials))


def _may_claim(bench: WorkerContext, trials: list[FrozenTrial]) -> bool:
    """Whether the budget holds one more trial."""
    counted = [trial for trial in trials if not trial.user_attrs.get(INFEASIBLE)]
    started = sum(trial.state != TrialState.WAITING for trial in counted)
    waiting = len(counted) - started
    if started >= bench.config.budget.trials:
        return False
    if waiting:
        return True
    if bench.config.sampler.kind == "grid":
        return len(trials) < _grid_size(bench)
    if _all_infeasible(trials):
        bench.tell(
            Notice(
                f"the last {MOST_INFEASIBLE_IN_A_ROW} proposals broke a constraint: the search "
                "ends here. Loosen the constraints or shrink the space."
            )
        )
        return False
    return True


def _grid_size(bench: WorkerContext) -> int:
    size = 1
    for values in grid(bench.definition.space).values():
        size *= len(values)
    return size


def _all_infeasible(trials: list[FrozenTrial]) -> bool:
    last = trials[-MOST_INFEASIBLE_IN_A_ROW:]
    return len(last) == MOST_INFEASIBLE_IN_A_ROW and all(
        trial.user_attrs.get(INFEASIBLE) for trial in last
    )


def _tell(bench: WorkerContext, trial: optuna.Trial, ending: TrialResult) -> None:
    if ending.state == TrialState.WAITING:
        pause_trial(bench.storage, trial._trial_id)  # noqa: SLF001
    else:
        values = list(ending.values) if ending.state == TrialState.COMPLETE else None
        bench.study.tell(trial, values, state=ending.state)
    bench.tell(end_of(bench.study.get_trials(deepcopy=False)[trial.number]))


@contextlib.contextmanager
def _heartbeat(storage: RDBStorage, trial: optuna.Trial) -> Iterator[None]:
    """Says regularly that the trial's worker lives."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            # A database that is away for a while is not the end of a trial.
            with contextlib.suppress(Exception):
                storage.record_heartbeat(trial._trial_id)  # noqa: SLF001

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
