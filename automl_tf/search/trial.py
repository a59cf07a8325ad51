"""One trial: from proposed parameters to a value, a pruning or a failure with its reason."""

import shutil
import traceback
from collections.abc import Mapping

import optuna
from optuna.trial import TrialState

from automl_tf.errors import UserError, disk_is_full, first_line
from automl_tf.search.context import STATE_NAMES, TrialResult, WorkerContext
from automl_tf.search.events import Notice
from automl_tf.search.objective import Attempt
from automl_tf.search.schema import (
    HOPELESS,
    REASON,
    RUN_ID,
    SENTENCES,
    SMALLER_BATCHES,
    best_bleu,
    confirming_words,
    confirms,
    hopeless,
    settings_of,
)
from automl_tf.search.trial_logger import TrialLogger
from automl_tf.training.memory import free_memory, is_out_of_memory, smaller_batches

MOST_COMPARED = 5
"""Complete trials, the best, whose sentence statistics of each validation are kept."""


def run_trial(trial: optuna.Trial, bench: WorkerContext) -> TrialResult:
    """Trains a proposed configuration; whatever goes wrong becomes a reason.

    Args:
        trial: A claimed trial with its parameters.
        bench: What the worker has.
    """
    config = bench.trial_config(trial.number, trial.params)
    story = TrialLogger(trial, config, bench.tracking)
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
    reason = ending.reason or confirming_words(trial)
    trial.set_user_attr(REASON, reason)
    story.end(STATE_NAMES[ending.state], reason)
    trial.set_user_attr(RUN_ID, story.run_id)
    return ending


def _failed_before(trial: optuna.Trial, bench: WorkerContext) -> TrialResult | None:
    """The end of a trial whose very settings are known to fail, before it has begun."""
    known = hopeless(bench.study.get_trials(deepcopy=False))
    for number, params in known.items():
        if params == trial.params:
            return TrialResult(
                TrialState.FAIL, reason=f"not trained: trial {number} failed with these settings"
            )
    return None


def _is_among_best(trial: optuna.Trial, ending: TrialResult, bench: WorkerContext) -> bool:
    """Whether later trials will be compared with this one, sentence by sentence."""
    if ending.state != TrialState.COMPLETE or confirms(trial) is not None:
        return False
    complete = bench.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    mine = best_bleu(trial) or 0.0
    return sum((best_bleu(other) or 0.0) > mine for other in complete) < MOST_COMPARED


def _attempt(trial: optuna.Trial, story: TrialLogger, bench: WorkerContext) -> TrialResult:
    """Trains the trial with the settings that it has now."""
    config = bench.trial_config(trial.number, settings_of(trial))
    try:
        ending = Attempt(trial, config, story, bench).to_its_end()
    except UserError as error:
        ending = TrialResult(TrialState.FAIL, reason=str(error))
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
    story: TrialLogger,
    bench: WorkerContext,
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


def _failure(error: BaseException) -> TrialResult:
    lacks_memory = is_out_of_memory(error)
    kind = "out of memory" if lacks_memory else type(error).__name__
    return TrialResult(
        TrialState.FAIL,
        reason=f"{kind}: {first_line(error)}",
        is_worth_smaller_batches=lacks_memory,
    )
