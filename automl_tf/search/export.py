"""The chosen trial as a training configuration that needs no Optuna."""

from typing import Any

import optuna
from optuna.trial import FrozenTrial

from automl_tf.config.settings import flatten
from automl_tf.config.writing import to_yaml
from automl_tf.search.confirming.verdict import Confirmed
from automl_tf.search.confirming.words import confirmed_words
from automl_tf.search.context import STATE_NAMES
from automl_tf.search.pick import pick
from automl_tf.search.schema import (
    BEST_STEP,
    NUM_PARAMETERS,
    SEED,
    SMALLER_BATCHES,
    best_bleu,
    read_record,
    settings_of,
    validations,
)
from automl_tf.search.strategy import trial_seed
from automl_tf.search.study_view import StudyView, leaderboard
from automl_tf.versions import git_commit, versions


def export(study: optuna.Study, rule: str = "best", number: int | None = None) -> str:
    """A commented YAML of one trial: every setting, where it came from, what it scored.

    Args:
        study: The study.
        rule: Which trial, see ``pick``.
        number: The trial's number, instead of the rule.

    Raises:
        UserError: If no trial fits.
    """
    trial = pick(study, rule, number)
    board = leaderboard(study)
    definition = read_record(study)
    seed = trial.user_attrs.get(SEED, trial_seed(definition.config.seed, trial.number))
    config = definition.study.full_config(settings_of(trial), seed)
    return to_yaml(
        config,
        notes=_notes(study, trial),
        header=_header(board, trial),
        extra={"provenance": _provenance(study, board, trial)},
    )


def _notes(study: optuna.Study, trial: FrozenTrial) -> dict[str, str]:
    """Where each value came from."""
    definition = read_record(study)
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


def _header(board: StudyView, trial: FrozenTrial) -> str:
    best = best_bleu(trial)
    scored = "not validated" if best is None else f"best validation BLEU {best:.2f}"
    confirmed = _confirmed(board, trial)
    seeds = "" if confirmed is None else f"{confirmed_words(confirmed)}\n"
    return (
        f"Trial {trial.number} of the study {board.study}: {scored}, "
        f"{STATE_NAMES[trial.state]}.\n{seeds}"
        "Settings without a comment have their default.\n"
        f"Train with it: automl-tf train FILE"
    )


def _confirmed(board: StudyView, trial: FrozenTrial) -> Confirmed | None:
    """What fresh seeds say of the trial's configuration, if anything."""
    configurations = [] if board.confirmation is None else board.confirmation.configurations
    return next(
        (one for one in configurations if one.number == trial.number and one.mean is not None),
        None,
    )


def _confirmed_values(confirmed: Confirmed) -> dict[str, Any]:
    mean = confirmed.mean
    interval = None if mean is None else mean.interval
    return {
        "bleu": None if mean is None else round(mean.bleu, 4),
        "interval": None if interval is None else [round(end, 4) for end in interval],
        "trials": list(confirmed.trials),
    }


def _provenance(study: optuna.Study, board: StudyView, trial: FrozenTrial) -> dict[str, Any]:
    definition = read_record(study)
    told = validations(trial)
    confirmed = _confirmed(board, trial)
    provenance = {
        "study": study.study_name,
        "trial": trial.number,
        "state": STATE_NAMES[trial.state],
        "objectives": dict(zip(definition.config.objectives, trial.values or [], strict=False)),
        "best_step": trial.user_attrs.get(BEST_STEP),
        "validation": {
            step: {name: round(score, 4) for name, score in scores.items()}
            for step, scores in told.items()
        },
        "confirmed": None if confirmed is None else _confirmed_values(confirmed),
        "num_parameters": trial.user_attrs.get(NUM_PARAMETERS),
        "study_seed": definition.config.seed,
        "corpus_fingerprint": definition.fingerprint,
        "mlflow_run_id": board.trials[trial.number].mlflow_run_id,
        "mlflow_tracking_uri": board.mlflow["tracking_uri"],
        "versions": versions(),
        "git_commit": git_commit(),
    }
    return {name: value for name, value in provenance.items() if value is not None}
