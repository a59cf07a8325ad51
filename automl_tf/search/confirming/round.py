"""Which trials the last round of a study holds, and how workers come by them.

The storage alone tells what is left to do: a configuration needs so many trials that confirm it,
and those that are missing are queued, under the lock that claims are made under. So a round that
was interrupted goes on, workers queue nothing twice, and a raised budget has the new best confirmed
and no one a second time.
"""

import json
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from automl_tf.config.study import Confirm
from automl_tf.search.schema import CONFIRMS, SMALLER_BATCHES, confirms, searched, settings_of


@dataclass(frozen=True)
class Candidate:
    """A configuration that the search has trained to its end.

    Attributes:
        trial: Its first complete trial.
        bleu: What the search found: the mean of its complete trials, mostly one.
    """

    trial: FrozenTrial
    bleu: float


class SearchedStudy(optuna.Study):
    """A study without the trials that confirm others, as samplers and pruners see it.

    They would take the same few configurations, time and again, for what the search has found.

    Args:
        study: The study, of which it is another view.
    """

    def __init__(self, study: optuna.Study) -> None:
        # As Optuna's Hyperband does, which shows samplers the trials of one bracket alone.
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)  # noqa: SLF001

    @override
    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        return searched(super()._get_trials(deepcopy, states, use_cache))


def candidates(trials: Sequence[FrozenTrial]) -> list[Candidate]:
    """The configurations that the search has trained to their end, best first.

    Args:
        trials: All trials of a study.
    """
    groups: dict[str, list[FrozenTrial]] = {}
    for trial in searched(trials):
        if trial.state == TrialState.COMPLETE:
            key = json.dumps(settings_of(trial), sort_keys=True)
            groups.setdefault(key, []).append(trial)
    found = [
        Candidate(group[0], sum(trial.values[0] for trial in group) / len(group))
        for group in groups.values()
    ]
    # Of equals the earlier one.
    return sorted(found, key=lambda candidate: -candidate.bleu)


def queue_round(
    study: optuna.Study, trials: Sequence[FrozenTrial], asked: Confirm
) -> list[Candidate]:
    """Queues the trials that the round lacks, of the configurations that are sure to be in it.

    Each trial that still runs could push one configuration out; those above that are sure. A worker
    need not wait for the others to begin with them.

    Args:
        study: The study, whose lock for claims is held.
        trials: All its trials, of a search that proposes no more.
        asked: What the study asks for.

    Returns:
        The configurations that trials were queued for.
    """
    sure = max(0, asked.top - num_running(trials))
    chosen = candidates(trials)[:sure]
    queued = Counter(confirms(trial) for trial in trials)
    lacking = {
        candidate.trial.number: asked.seeds - queued[candidate.trial.number] for candidate in chosen
    }
    # In turn, so that a round that is cut short compares all of them.
    for seed in range(asked.seeds):
        for candidate in chosen:
            if seed < lacking[candidate.trial.number]:
                _enqueue(study, candidate.trial)
    return [candidate for candidate in chosen if lacking[candidate.trial.number] > 0]


def num_running(trials: Sequence[FrozenTrial]) -> int:
    """Number of the trials of the search itself that run."""
    return sum(trial.state == TrialState.RUNNING for trial in searched(trials))


def first_waiting(trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The next trial of the round that waits for a worker, if any does."""
    waiting = (
        trial
        for trial in trials
        if trial.state == TrialState.WAITING and confirms(trial) is not None
    )
    return next(waiting, None)


def take(
    study: optuna.Study, trial: FrozenTrial, space: dict[str, BaseDistribution]
) -> optuna.Trial:
    """Begins a waiting trial of the round: not the first of all that wait, which Optuna would.

    Args:
        study: The study, whose lock for claims is held.
        trial: The trial.
        space: The searched settings, all of which the trial was given.
    """
    trial_id = trial._trial_id  # noqa: SLF001 - storages know trials by it alone
    study._storage.set_trial_state_values(trial_id, TrialState.RUNNING)  # noqa: SLF001
    taken = optuna.Trial(study, trial_id)
    for name, distribution in space.items():
        taken._suggest(name, distribution)  # noqa: SLF001 - what `ask` does
    return taken


def _enqueue(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queues a repetition; it gets its seed from its number, as every trial."""
    attributes = {CONFIRMS: trial.number}
    if SMALLER_BATCHES in trial.user_attrs:
        attributes[SMALLER_BATCHES] = trial.user_attrs[SMALLER_BATCHES]
    study.enqueue_trial(dict(trial.params), user_attrs=attributes)
