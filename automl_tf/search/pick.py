"""Choosing one trial of a study by a rule that a person can write."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import DIRECTIONS
from automl_tf.errors import Place, UserError
from automl_tf.search.confirming.round import SearchedStudy
from automl_tf.search.confirming.verdict import confirmation
from automl_tf.search.schema import read_record, searched

_BEST = re.compile(r"best(?::(?P<name>\w+))?")
_WHERE = re.compile(
    r"(?P<name>\w+)\s+where\s+(?P<limited>\w+)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[\d._eE+-]+)"
)
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
FORMS = '`best`, `best:bleu`, `knee` or `"bleu where latency<20"`'


@dataclass(frozen=True)
class _Candidates:
    """The complete trials of a study with their values by objective."""

    names: Sequence[str]
    trials: Sequence[FrozenTrial]

    def value(self, trial: FrozenTrial, name: str) -> float:
        return float(trial.values[self.names.index(name)])

    def gain(self, trial: FrozenTrial, name: str) -> float:
        """The value, larger is better."""
        value = self.value(trial, name)
        return value if DIRECTIONS[name] == "maximize" else -value

    def check(self, name: str) -> str:
        if name not in self.names:
            raise UserError(
                f"{name} is not an objective of the study; they are {', '.join(self.names)}.",
                f"Write {FORMS}.",
                Place(key="--pick"),
            )
        return name


def pick(study: optuna.Study, rule: str = "best", number: int | None = None) -> FrozenTrial:
    """The trial that a rule chooses, or that of a number.

    Args:
        study: The study.
        rule: ``best`` (by the first objective, or what fresh seeds have confirmed), ``best:NAME``,
            ``knee`` (the point of the front farthest from the line between its ends) or
            ``NAME where OTHER<LIMIT``.
        number: A trial's number, instead of the rule.

    Raises:
        UserError: If no trial fits, or the rule cannot be read.
    """
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in searched(trials) if trial.state == TrialState.COMPLETE]
    if number is not None:
        return _by_number(trials, number)
    if not complete:
        raise UserError(
            f"No trial of the study {study.study_name} is complete.",
            "Go on with `automl-tf search`.",
        )
    config = read_record(study).config
    candidates = _Candidates(config.objectives, complete)
    if best := _BEST.fullmatch(rule.strip()):
        name = candidates.check(best["name"] or candidates.names[0])
        confirmed = confirmation(trials, config.confirm)
        if confirmed is not None and confirmed.winner is not None:
            return trials[confirmed.winner.number]
        return max(complete, key=lambda trial: candidates.gain(trial, name))
    if where := _WHERE.fullmatch(rule.strip()):
        return _within(candidates, where)
    if rule.strip() == "knee":
        return _knee(study, candidates)
    raise UserError(f"The rule {rule!r} cannot be read.", f"Write {FORMS}.", Place(key="--pick"))


def _by_number(trials: Sequence[FrozenTrial], number: int) -> FrozenTrial:
    found = [trial for trial in trials if trial.number == number]
    if not found:
        raise UserError(
            f"There is no trial {number}; there are {len(trials)}, from 0.",
            "`automl-tf show` lists them.",
            Place(key="--trial"),
        )
    if not found[0].params:
        raise UserError(
            f"Trial {number} waits for its turn and has no settings yet.",
            "Go on with `automl-tf search`, or take another trial.",
            Place(key="--trial"),
        )
    return found[0]


def _within(candidates: _Candidates, where: re.Match[str]) -> FrozenTrial:
    name, limited = candidates.check(where["name"]), candidates.check(where["limited"])
    holds, limit = _SIGNS[where["sign"]], _number(where["limit"])
    within = [
        trial for trial in candidates.trials if holds(candidates.value(trial, limited), limit)
    ]
    if not within:
        nearest = min(
            (candidates.value(trial, limited) for trial in candidates.trials),
            key=lambda value: abs(value - limit),
        )
        raise UserError(
            f"No complete trial has {limited} {where['sign']} {limit:g}; the nearest has "
            f"{nearest:g}.",
            "Loosen the limit or go on searching.",
            Place(key="--pick"),
        )
    return max(within, key=lambda trial: candidates.gain(trial, name))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"{text} is not a number.", f"Write {FORMS}.", Place(key="--pick")
        ) from None


def _knee(study: optuna.Study, candidates: _Candidates) -> FrozenTrial:
    """The trial of the front farthest above the plane through the best of each objective."""
    front = SearchedStudy(study).best_trials
    scaled = {}
    for name in candidates.names:
        gains = [candidates.gain(trial, name) for trial in front]
        spread = (max(gains) - min(gains)) or 1.0
        scaled[name] = [(gain - min(gains)) / spread for gain in gains]
    sums = [sum(scaled[name][index] for name in candidates.names) for index in range(len(front))]
    return front[sums.index(max(sums))]
