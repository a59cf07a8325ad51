"""Selects a trial by a rule, and writes it as a training configuration that needs no Optuna."""

import operator
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.files import Export, read_export, to_yaml
from automl_tf.config.settings import flatten
from automl_tf.config.study import DIRECTIONS
from automl_tf.errors import Place, UserError
from automl_tf.scoring.sentences import Merit
from automl_tf.search.confirmation import ConfirmedConfiguration, confirmed_words
from automl_tf.search.schema import (
    ATTEMPT,
    BEST_STEP,
    ENVIRONMENT,
    NUM_PARAMETERS,
    ORIGIN,
    SEED,
    SMALLER_BATCHES,
    STATE_NAMES,
    StudyRecord,
    best_bleu,
    best_merit,
    settings_of,
    trial_seed,
    validations,
)
from automl_tf.search.study_view import StudyView

NUM_KEPT = 5
"""Best trials whose weights are kept, beside those on the Pareto front."""

_BEST = re.compile(r"best(?::(?P<name>\w+))?")
_WHERE = re.compile(
    r"(?P<name>\w+)\s+where\s+(?P<limited>\w+)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[\d._eE+-]+)"
)
_SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
FORMS = '`best`, `best:bleu`, `knee` or `"bleu where latency<20"`'


class _Candidates:
    """The complete trials of a study with their objectives and other numbers."""

    def __init__(self, objectives: Sequence[str], trials: Sequence[FrozenTrial]) -> None:
        self.objectives = objectives
        self.trials = trials
        self._numbers = {trial.number: self._numbers_of(trial) for trial in trials}
        facts = sorted({name for known in self._numbers.values() for name in known})
        self.names = [*objectives, *(name for name in facts if name not in objectives)]
        """Everything that a rule may speak of, the objectives first."""

    def value(self, trial: FrozenTrial, name: str) -> float:
        return self._numbers[trial.number][name]

    def gain(self, trial: FrozenTrial, name: str) -> float:
        """Returns the value, turned so that larger is better. What is no objective is a cost."""
        value = self.value(trial, name)
        return value if DIRECTIONS.get(name, "minimize") == "maximize" else -value

    def check(self, name: str) -> str:
        if name not in self.names:
            others = ", ".join(self.names[len(self.objectives) :])
            raise UserError(
                f"{name} is not a number of the study's trials; objectives are "
                f"{', '.join(self.objectives)}; other numbers are {others or 'unknown'}.",
                f"Write {FORMS}.",
                Place(key="--pick"),
            )
        return name

    def knowing(self, *names: str) -> list[FrozenTrial]:
        """Returns the trials of which all these numbers are known."""
        return [one for one in self.trials if self._numbers[one.number].keys() >= set(names)]

    def _numbers_of(self, trial: FrozenTrial) -> dict[str, float]:
        facts = {
            name: float(value)
            for name, value in trial.user_attrs.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        return facts | dict(zip(self.objectives, map(float, trial.values), strict=True))


def select_trial(study: optuna.Study, rule: str = "best", number: int | None = None) -> FrozenTrial:
    """Returns the trial that a rule selects, or that of a number.

    Args:
        study: The study.
        rule: ``best`` (by the first objective, or what fresh seeds have confirmed), ``best:NAME``,
            ``knee`` (the point of the front farthest from the line between its ends) or
            ``NAME where OTHER<LIMIT``. Names are those of objectives and of other numbers of a
            trial, as ``num_parameters``.
        number: A trial's number, instead of the rule.

    Raises:
        UserError: If no trial fits, or the rule cannot be read.
    """
    trials = study.get_trials(deepcopy=False)
    if number is not None:
        return _by_number(trials, number)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise UserError(
            f"No trial of the study {study.study_name} is complete.",
            "Continue with `automl-tf search`.",
        )
    view = StudyView.read(study)
    candidates = _Candidates(view.record.config.objectives, complete)
    if best := _BEST.fullmatch(rule.strip()):
        name = candidates.check(best["name"] or candidates.objectives[0])
        if view.confirmation is not None and view.confirmation.winner is not None:
            return trials[view.confirmation.winner.number]
        return max(candidates.knowing(name), key=lambda trial: candidates.gain(trial, name))
    if where := _WHERE.fullmatch(rule.strip()):
        return _within(candidates, where)
    if rule.strip() == "knee":
        return _knee(study, candidates)
    raise UserError(f"The rule {rule!r} cannot be read.", f"Write {FORMS}.", Place(key="--pick"))


def trials_to_keep(study: optuna.Study) -> set[int]:
    """Returns the numbers of the complete trials whose weights are worth their place.

    They are the best few by validation and those on the Pareto front.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return set()
    ranked = sorted(complete, key=lambda trial: best_merit(trial) or Merit(0, 0.0), reverse=True)
    return {trial.number for trial in (*ranked[:NUM_KEPT], *study.best_trials)}


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
            f"Trial {number} is waiting and has no settings yet.",
            "Continue with `automl-tf search`, or take another trial.",
            Place(key="--trial"),
        )
    return found[0]


def _within(candidates: _Candidates, where: re.Match[str]) -> FrozenTrial:
    name, limited = candidates.check(where["name"]), candidates.check(where["limited"])
    try:
        limit = float(where["limit"])
    except ValueError:
        rule = f"{where['limit']} is not a number."
        raise UserError(rule, f"Write {FORMS}.", Place(key="--pick")) from None
    holds = _SIGNS[where["sign"]]
    known = candidates.knowing(name, limited)
    within = [trial for trial in known if holds(candidates.value(trial, limited), limit)]
    if within:
        return max(within, key=lambda trial: candidates.gain(trial, name))
    values = [candidates.value(trial, limited) for trial in known]
    nearest = min(values, key=lambda value: abs(value - limit), default=float("nan"))
    raise UserError(
        f"No complete trial has {limited} {where['sign']} {limit:g}; the nearest has {nearest:g}.",
        "Loosen the limit or continue the search.",
        Place(key="--pick"),
    )


def _knee(study: optuna.Study, candidates: _Candidates) -> FrozenTrial:
    """Returns the trial of the front farthest above the plane through its ends."""
    front = study.best_trials
    scaled = []
    for name in candidates.objectives:
        gains = [candidates.gain(trial, name) for trial in front]
        spread = (max(gains) - min(gains)) or 1.0
        scaled.append([(gain - min(gains)) / spread for gain in gains])
    sums = [sum(shares) for shares in zip(*scaled, strict=True)]
    return front[sums.index(max(sums))]


def export(study: optuna.Study, rule: str = "best", number: int | None = None) -> str:
    """Returns a commented YAML of one trial: every setting with its source, and the scores.

    The trial is that of ``select_trial``.

    Raises:
        UserError: If no trial fits.
    """
    trial = select_trial(study, rule, number)
    board = StudyView.read(study)
    definition = board.record
    seed = trial.user_attrs.get(SEED, trial_seed(definition.config.seed, trial.number))
    # Its scores with fresh seeds, if there are any.
    configurations = [] if board.confirmation is None else board.confirmation.configurations
    scored = {one.number: one for one in configurations if one.mean is not None}
    confirmed = scored.get(trial.number)
    return to_yaml(
        definition.study.full_config(settings_of(trial), seed),
        notes=_notes(definition, trial),
        header=_header(board, trial, confirmed),
        extra={"provenance": _provenance(board, trial, confirmed)},
    )


def export_of(
    study: optuna.Study,
    rule: str = "best",
    number: int | None = None,
    overrides: Sequence[str] = (),
) -> Export:
    """Returns the export of one trial without a file, with overrides in the form ``KEY=VALUE``.

    The trial is that of ``select_trial``.

    Raises:
        UserError: If no trial fits, or for a mistake in the overrides.
    """
    return read_export(Path(study.study_name), overrides, export(study, rule, number))


def _notes(definition: StudyRecord, trial: FrozenTrial) -> dict[str, str]:
    """Returns the source of each value, by dotted path."""
    notes = dict.fromkeys(definition.config.fixed, "fixed by the study")
    for name in trial.params:
        notes[name] = f"searched: {definition.space.domains[name]}"
    for name in trial.user_attrs.get(SMALLER_BATCHES, {}):
        notes[name] = "halved batches, twice as many: it had run out of memory or diverged"
    tried = flatten(definition.study.trial_config(settings_of(trial), definition.config.seed))
    for name in definition.config.full_training:
        notes[name] = f"for the full training; the trial had {tried[name]}"
    notes["seed"] = f"of trial {trial.number}: its training can be repeated"
    return notes


def _header(board: StudyView, trial: FrozenTrial, confirmed: ConfirmedConfiguration | None) -> str:
    best = best_bleu(trial)
    scored = "not validated" if best is None else f"best validation BLEU {best:.2f}"
    seeds = "" if confirmed is None else f"{confirmed_words(confirmed)}\n"
    return (
        f"Trial {trial.number} of the study {board.study}: {scored}, "
        f"{STATE_NAMES[trial.state]}.\n{seeds}"
        "Settings without a comment have their default.\n"
        f"Train with it: automl-tf train FILE"
    )


def _confirmed_values(confirmed: ConfirmedConfiguration | None) -> dict[str, Any] | None:
    if confirmed is None or confirmed.mean is None:
        return None
    bleu, interval = confirmed.mean.bleu, confirmed.mean.interval
    return {
        "bleu": round(bleu, 4),
        "interval": None if interval is None else [round(end, 4) for end in interval],
        "trials": list(confirmed.trials),
    }


def _provenance(
    board: StudyView, trial: FrozenTrial, confirmed: ConfirmedConfiguration | None
) -> dict[str, Any]:
    definition = board.record
    environment = trial.user_attrs.get(ENVIRONMENT, {})
    provenance = {
        "study": board.study,
        "study_id": board.study_id,
        "trial": trial.number,
        "attempt": trial.user_attrs.get(ATTEMPT),
        "origin": trial.user_attrs.get(ORIGIN),
        "state": STATE_NAMES[trial.state],
        "objectives": dict(zip(definition.config.objectives, trial.values or [], strict=False)),
        "best_step": trial.user_attrs.get(BEST_STEP),
        "validation": {
            step: {name: round(score, 4) for name, score in scores.items()}
            for step, scores in validations(trial).items()
        },
        "confirmed": _confirmed_values(confirmed),
        "num_parameters": trial.user_attrs.get(NUM_PARAMETERS),
        "study_seed": definition.config.seed,
        "corpus_fingerprint": definition.fingerprint,
        "mlflow_run_id": board.trials[trial.number].mlflow_run_id,
        "mlflow_tracking_uri": board.mlflow["tracking_uri"],
        # Those that the trial was trained with, not those that export it.
        "versions": environment.get("versions"),
        "git_commit": environment.get("git_commit"),
    }
    return {name: value for name, value in provenance.items() if value is not None}
