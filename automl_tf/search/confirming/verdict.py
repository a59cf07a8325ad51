"""What fresh seeds say of a study's best configurations, read from the storage alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import Confirm
from automl_tf.scoring.seeds import Estimate, Trainings
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.search.confirming.round import Candidate, candidates
from automl_tf.search.schema import best_sentences, confirms


@dataclass(frozen=True)
class Confirmed:
    """What fresh seeds say of one configuration.

    Attributes:
        number: The trial of the search that had it.
        first: The BLEU that the search found.
        trials: Numbers of the trials that repeat it, whatever their state.
        bleus: BLEU of those of them that are complete.
        failed: Number of those that ended without a BLEU.
        mean: Mean BLEU over the fresh seeds; None before one is complete.
        deviation: Standard deviation between the fresh seeds, from two on.
        behind: BLEU by which the configuration is behind the leading one; None of the leading one.
    """

    number: int
    first: float
    trials: Sequence[int]
    bleus: Sequence[float]
    failed: int
    mean: Estimate | None
    deviation: float | None
    behind: Estimate | None

    @property
    def flattery(self) -> float | None:
        """By how much the first estimate was above the mean of the fresh seeds."""
        return None if self.mean is None else self.first - self.mean.bleu


@dataclass(frozen=True)
class Confirmation:
    """The last round of a study.

    Attributes:
        asked: What the study asks for.
        configurations: The confirmed configurations. Those of which no training failed come first,
            among them the one with the best mean.
        left: Trainings that have not ended, queued or not.
        size: Number of sentences of the validation split; 0 before a training is complete.
    """

    asked: Confirm
    configurations: Sequence[Confirmed]
    left: int
    size: int

    @property
    def winner(self) -> Confirmed | None:
        """The configuration with the best mean over fresh seeds, once all have ended."""
        leading = next(iter(self.configurations), None)
        if leading is None or leading.mean is None or self.left:
            return None
        return leading

    @property
    def runner_up(self) -> Confirmed | None:
        """The next best configuration, if there are two with a score."""
        scored = [one for one in self.configurations if one.mean is not None]
        return scored[1] if len(scored) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """The form of ``show --json``."""
        return {
            "top": self.asked.top,
            "seeds": self.asked.seeds,
            "left": self.left,
            "winner": None if self.winner is None else self.winner.number,
            "configurations": [_json(one) for one in self.configurations],
        }


def confirmation(trials: Sequence[FrozenTrial], asked: Confirm | None) -> Confirmation | None:
    """The last round as it stands; None where none is asked for or none has begun.

    Args:
        trials: All trials of a study.
        asked: What it asks for.
    """
    repeats: dict[int, list[FrozenTrial]] = {}
    for trial in trials:
        number = confirms(trial)
        if number is not None:
            repeats.setdefault(number, []).append(trial)
    if asked is None or not repeats:
        return None
    ranked = candidates(trials)
    confirmed = [one for one in ranked if one.trial.number in repeats]
    complete = {number: _complete(group) for number, group in repeats.items()}
    best_first = sorted(
        confirmed,
        key=lambda one: (
            not complete[one.trial.number],
            _failed(repeats[one.trial.number]) > 0,
            -_mean(complete[one.trial.number]),
        ),
    )
    scored = [one.trial.number for one in best_first if complete[one.trial.number]]
    trainings = _trainings(scored, complete)
    return Confirmation(
        asked=asked,
        configurations=[_confirmed(one, repeats, scored, trainings) for one in best_first],
        left=sum(_left(one, repeats, asked) for one in ranked[: asked.top]),
        size=0 if trainings is None else trainings.size,
    )


def _complete(group: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in group if trial.state == TrialState.COMPLETE]


def _failed(group: Sequence[FrozenTrial]) -> int:
    return sum(trial.state.is_finished() for trial in group) - len(_complete(group))


def _mean(complete: Sequence[FrozenTrial]) -> float:
    return sum(trial.values[0] for trial in complete) / len(complete) if complete else 0.0


def _left(
    candidate: Candidate, repeats: Mapping[int, Sequence[FrozenTrial]], asked: Confirm
) -> int:
    """Trainings of a configuration that the round still waits for."""
    group = repeats.get(candidate.trial.number, [])
    open_ones = sum(not trial.state.is_finished() for trial in group)
    return max(asked.seeds - len(group), 0) + open_ones


def _trainings(
    scored: Sequence[int], complete: Mapping[int, Sequence[FrozenTrial]]
) -> Trainings | None:
    """The translations of all complete trainings, by configuration."""
    if not scored:
        return None
    return Trainings.of([[_sentences(trial) for trial in complete[number]] for number in scored])


def _sentences(trial: FrozenTrial) -> SentenceStatistics:
    kept = best_sentences(trial)
    assert kept is not None, "a complete trial keeps them"
    return kept


def _confirmed(
    candidate: Candidate,
    repeats: Mapping[int, Sequence[FrozenTrial]],
    scored: Sequence[int],
    trainings: Trainings | None,
) -> Confirmed:
    number = candidate.trial.number
    group = repeats[number]
    place = scored.index(number) if number in scored else None
    mean = deviation = behind = None
    if trainings is not None and place is not None:
        mean, deviation = trainings.mean(place), trainings.deviation(place)
        behind = trainings.difference(0, place) if place else None
    return Confirmed(
        number=number,
        first=candidate.bleu,
        trials=[trial.number for trial in group],
        bleus=[trial.values[0] for trial in _complete(group)],
        failed=_failed(group),
        mean=mean,
        deviation=deviation,
        behind=behind,
    )


def _json(one: Confirmed) -> dict[str, Any]:
    return {
        "trial": one.number,
        "confirmed_by": list(one.trials),
        "failed": one.failed,
        "first_bleu": one.first,
        "bleus": list(one.bleus),
        **_estimate_json("mean", one.mean),
        "deviation": one.deviation,
        "first_above_mean": one.flattery,
        **_estimate_json("behind", one.behind),
    }


def _estimate_json(name: str, estimate: Estimate | None) -> dict[str, Any]:
    interval = None if estimate is None else estimate.interval
    return {
        name: None if estimate is None else estimate.bleu,
        f"{name}_interval": None if interval is None else list(interval),
    }
