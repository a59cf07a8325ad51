"""Confirmations: the best configurations of a study are trained again with fresh seeds.

They are trials of an Optuna study of their own, `NAME.confirm`, which no sampler, pruner, plot or
count of the search sees. The missing repetitions are queued under the lock of the study: so an
interrupted round resumes, and a raised budget confirms only new winners.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Final

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.base import CONFIRMATION_SUFFIX
from automl_tf.config.study import Confirm
from automl_tf.errors import Place, UserError
from automl_tf.formatting import format_plural, format_score
from automl_tf.scoring.seeds import Estimate, Trainings
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.search.opening import create_study
from automl_tf.search.schema import (
    BEST_SENTENCES,
    CONFIRMED_STUDY,
    CONFIRMS,
    ORIGIN,
    SMALLER_BATCHES,
    Origin,
    StudyRecord,
    settings_of,
    study_id_of,
)

COLUMNS: Final = (
    "trial",
    "first BLEU",
    "fresh seeds",
    "95 % interval",
    "deviation",
    "first above fresh",
    "behind the best",
    "95 % interval",
)
"""Headings of the table of confirmed configurations."""

COVERS: Final = (
    "The intervals cover the choice of the {size:,} sentences of the validation split and the "
    "seeds of the trainings: bootstrap over the sentences, the same ones for all trainings (Koehn "
    "2004), plus the variance between seeds (Clark et al. 2011)."
)


@dataclass(frozen=True)
class Candidate:
    """The first complete trial of a configuration, and the mean BLEU of all of them, mostly one."""

    trial: FrozenTrial
    bleu: float


def confirmation_study(storage: BaseStorage, study: optuna.Study) -> optuna.Study | None:
    """Returns the study of the confirmations of a study, if there is one."""
    name = f"{study.study_name}{CONFIRMATION_SUFFIX}"
    if name not in optuna.get_all_study_names(storage):
        return None
    found = optuna.load_study(study_name=name, storage=storage)
    return found if found.user_attrs.get(CONFIRMED_STUDY) == study_id_of(study) else None


def open_confirmation(
    storage: RDBStorage, study: optuna.Study, record: StudyRecord
) -> optuna.Study:
    """Returns the study of the confirmations, created if missing. The lock of ``study`` is held.

    Raises:
        UserError: If a study of that name belongs to another study.
    """
    found = confirmation_study(storage, study)
    if found is not None:
        return found
    name = f"{study.study_name}{CONFIRMATION_SUFFIX}"
    if name in optuna.get_all_study_names(storage):
        raise UserError(
            f"The storage has a study {name} that confirms another study {study.study_name}.",
            f"Give this study another name, or delete {name}.",
            Place(key="name"),
        )
    return create_study(storage, name, record, confirmed=study_id_of(study))


def candidates(trials: Sequence[FrozenTrial]) -> list[Candidate]:
    """Returns the configurations that the search has trained to their end, best first."""
    groups: defaultdict[str, list[FrozenTrial]] = defaultdict(list)
    for trial in _complete(trials):
        groups[json.dumps(settings_of(trial), sort_keys=True)].append(trial)
    found = [Candidate(same[0], fmean(one.values[0] for one in same)) for same in groups.values()]
    # Of equals the earlier one comes first.
    return sorted(found, key=lambda candidate: -candidate.bleu)


def queue_confirmations(
    study: optuna.Study, trials: Sequence[FrozenTrial], asked: Confirm
) -> list[Candidate]:
    """Queues the missing repetitions of configurations sure to be confirmed; returns those.

    Each trial that still runs could push one configuration out; those above that are sure. A worker
    need not wait for the others to begin with them. The search of ``trials`` proposes no more, and
    the lock of its study is held; ``study`` is that of the confirmations.
    """
    sure = max(0, asked.top - num_running(trials))
    queued = Counter(trial.user_attrs[CONFIRMS] for trial in study.get_trials(deepcopy=False))
    best = candidates(trials)[:sure]
    lacking = [one for one in best if queued[one.trial.number] < asked.seeds]
    # In turn, so that a round that is cut short compares all of them.
    for seed in range(asked.seeds):
        for candidate in lacking:
            if seed < asked.seeds - queued[candidate.trial.number]:
                _enqueue(study, candidate.trial)
    return lacking


def num_running(trials: Sequence[FrozenTrial]) -> int:
    """Returns the number of running trials."""
    return sum(trial.state == TrialState.RUNNING for trial in trials)


def _enqueue(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queues a repetition; its seed follows from its number, as that of every trial."""
    attributes = {CONFIRMS: trial.number, ORIGIN: Origin.CONFIRMATION}
    if SMALLER_BATCHES in trial.user_attrs:
        attributes[SMALLER_BATCHES] = trial.user_attrs[SMALLER_BATCHES]
    study.enqueue_trial(dict(trial.params), user_attrs=attributes)


@dataclass(frozen=True)
class ConfirmedConfiguration:
    """Estimates of one configuration by fresh seeds.

    Attributes:
        number: The trial of the search that had it.
        first: The BLEU that the search found.
        trials: Numbers of the trials that repeat it, whatever their state.
        bleus: BLEU of those of them that are complete.
        failed: Number of those that ended without a BLEU.
        mean: Mean BLEU over the fresh seeds; None before one is complete.
        deviation: Standard deviation between the fresh seeds, from two on.
        gap_to_winner: BLEU that the leading one, for which it is None, is ahead.
    """

    number: int
    first: float
    trials: Sequence[int]
    bleus: Sequence[float]
    failed: int
    mean: Estimate | None = None
    deviation: float | None = None
    gap_to_winner: Estimate | None = None

    @property
    def selection_bias(self) -> float | None:
        """By how much the first estimate was above the mean of the fresh seeds."""
        return None if self.mean is None else self.first - self.mean.bleu

    def to_json(self) -> dict[str, Any]:
        """Returns the form of ``show --json``."""
        return {
            "trial": self.number,
            "confirmed_by": list(self.trials),
            "failed": self.failed,
            "first_bleu": self.first,
            "bleus": list(self.bleus),
            **_estimate_json("mean", self.mean),
            "deviation": self.deviation,
            "first_above_mean": self.selection_bias,
            **_estimate_json("behind", self.gap_to_winner),
        }


def _estimate_json(name: str, estimate: Estimate | None) -> dict[str, Any]:
    interval = estimate and estimate.interval
    return {name: estimate and estimate.bleu, f"{name}_interval": interval and list(interval)}


@dataclass(frozen=True)
class ConfirmationResult:
    """The confirmations of a study as they stand.

    Attributes:
        asked: What the study asks for.
        configurations: The confirmed configurations. Those of which no training failed come first,
            among them the one with the best mean.
        left: Trainings that have not ended, queued or not.
        size: Number of sentences of the validation split; 0 before a training is complete.
    """

    asked: Confirm
    configurations: Sequence[ConfirmedConfiguration]
    left: int
    size: int

    @property
    def winner(self) -> ConfirmedConfiguration | None:
        """The configuration with the best mean over fresh seeds, once all have ended."""
        leading = next(iter(self.configurations), None)
        if leading is None or leading.mean is None or self.left:
            return None
        return leading

    @property
    def runner_up(self) -> ConfirmedConfiguration | None:
        """The next best configuration, if there are two with a score."""
        scored = [one for one in self.configurations if one.mean is not None]
        return scored[1] if len(scored) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Returns the form of ``show --json``."""
        return {
            "top": self.asked.top,
            "seeds": self.asked.seeds,
            "left": self.left,
            "winner": None if self.winner is None else self.winner.number,
            "configurations": [one.to_json() for one in self.configurations],
        }


def confirmation_result(
    trials: Sequence[FrozenTrial], repeated: Sequence[FrozenTrial], asked: Confirm
) -> ConfirmationResult | None:
    """Returns how the trials ``repeated`` confirm those of a search; None before any is queued."""
    repeats: defaultdict[int, list[FrozenTrial]] = defaultdict(list)
    for trial in repeated:
        repeats[trial.user_attrs[CONFIRMS]].append(trial)
    if not repeats:
        return None
    ranked = candidates(trials)
    awaited = [repeats[one.trial.number] for one in ranked[: asked.top]]
    left = sum(max(asked.seeds, len(group)) - _num_ended(group) for group in awaited)
    found = [_confirmed(one, group) for one in ranked if (group := repeats[one.trial.number])]
    # Those with a score come first.
    found.sort(key=lambda one: (not one.bleus, one.failed > 0, -fmean(one.bleus or [0.0])))
    scored = [_complete(repeats[one.number]) for one in found if one.bleus]
    if not scored:
        return ConfirmationResult(asked, found, left, size=0)
    trainings = Trainings.of(
        [
            [SentenceStatistics.from_text(trial.user_attrs[BEST_SENTENCES]) for trial in group]
            for group in scored
        ]
    )
    for place in range(len(scored)):
        found[place] = replace(
            found[place],
            mean=trainings.mean(place),
            deviation=trainings.deviation(place),
            gap_to_winner=trainings.difference(0, place) if place else None,
        )
    return ConfirmationResult(asked, found, left, trainings.size)


def _complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def _num_ended(trials: Sequence[FrozenTrial]) -> int:
    return sum(trial.state.is_finished() for trial in trials)


def _confirmed(candidate: Candidate, group: Sequence[FrozenTrial]) -> ConfirmedConfiguration:
    complete = _complete(group)
    return ConfirmedConfiguration(
        number=candidate.trial.number,
        first=candidate.bleu,
        trials=[trial.number for trial in group],
        bleus=[trial.values[0] for trial in complete],
        failed=_num_ended(group) - len(complete),
    )


def confirmation_words(confirmation: ConfirmationResult) -> list[str]:
    """Returns the findings of the round in sentences; its progress, while it goes on."""
    winner = confirmation.winner
    if winner is not None:
        covers = COVERS.format(size=confirmation.size)
        return [*_result(winner), *_against_next(confirmation), covers]
    if not confirmation.left:
        return ["No training with a fresh seed came to its end: nothing is confirmed."]
    left = format_plural(confirmation.left, "training")
    return [f"The best are being confirmed with fresh seeds: {left} left."]


def _result(winner: ConfirmedConfiguration) -> Iterator[str]:
    assert winner.mean is not None, "a winner has a score"
    seeds = len(winner.bleus)
    told = f"mean of {seeds} fresh seeds" if seeds > 1 else "one fresh seed"
    yield (
        f"Confirmed: trial {winner.number} has validation BLEU {winner.mean.bleu:.2f} ({told}"
        f"{_interval(winner.mean, '; 95 % interval ')})."
    )
    if winner.failed:
        yield f"{format_plural(winner.failed, 'more training')} of it failed."
    bias = winner.first - winner.mean.bleu
    side = "above" if bias >= 0 else "below"
    curse = ": the best of many is overestimated by being chosen" if bias > 0 else ""
    yield f"The search had found {winner.first:.2f}, {abs(bias):.2f} {side} that mean{curse}."


def _against_next(confirmation: ConfirmationResult) -> Iterator[str]:
    second = confirmation.runner_up
    if second is None or second.gap_to_winner is None:
        return
    lead = second.gap_to_winner
    is_open = lead.interval is not None and lead.interval[0] <= 0 <= lead.interval[1]
    certainty = ": other seeds or sentences could turn the two round" if is_open else ""
    side = "above" if lead.bleu >= 0 else "below"
    yield (
        f"It is {abs(lead.bleu):.2f} BLEU {side} the next best, trial {second.number}"
        f"{_interval(lead, ' (95 % interval of the difference ', ')')}{certainty}."
    )


def confirmation_rows(confirmation: ConfirmationResult) -> list[Sequence[str]]:
    """Returns a row of the table for each confirmed configuration, the best first."""
    return [
        (
            f"{one.number}",
            f"{one.first:.2f}",
            _score(one.mean) + (f" ({one.failed} failed)" if one.failed else ""),
            _interval(one.mean),
            format_score(one.deviation),
            format_score(one.selection_bias),
            _score(one.gap_to_winner),
            _interval(one.gap_to_winner),
        )
        for one in confirmation.configurations
    ]


def confirmed_words(one: ConfirmedConfiguration) -> str:
    """Returns the estimate of one configuration, which has a score, as a sentence."""
    numbers = ", ".join(str(number) for number in one.trials)
    return (
        f"Confirmed BLEU {_score(one.mean)}: mean of {len(one.bleus)} other seeds "
        f"(trials {numbers}{_interval(one.mean, '; 95 % interval ')})."
    )


def _score(estimate: Estimate | None) -> str:
    return "" if estimate is None else format_score(estimate.bleu)


def _interval(estimate: Estimate | None, before: str = "", after: str = "") -> str:
    if estimate is None or estimate.interval is None:
        return ""
    low, high = estimate.interval
    return f"{before}{format_score(low)} to {format_score(high)}{after}"
