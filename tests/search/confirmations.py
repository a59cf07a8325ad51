"""Studies whose trials are claimed as workers do and told a BLEU with its sentences."""

from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from automl_tf.config.base import CONFIRMATION_SUFFIX
from automl_tf.scoring.sentences import SentenceStatistics
from automl_tf.search.confirmation import (
    ConfirmationResult,
    confirmation_result,
    confirmation_study,
)
from automl_tf.search.context import WorkerContext
from automl_tf.search.schema import BEST_SENTENCES, NUM_PARAMETERS, VALIDATIONS, StudyRecord
from tests.search.making import claim, definition

LENGTH, SIZE, STEP = 12, 120, 100


def study(**changes: Any) -> StudyRecord:
    """A study of few trials with a round of two configurations and two seeds."""
    given = {
        "sampler": {"kind": "random"},
        "budget": {"trials": 4},
        "confirm": {"top": 2, "seeds": 2},
        "start_with_base": False,
    }
    return definition(**{**given, **changes})


def translations(share: float, seed: int) -> SentenceStatistics:
    """Counts of translations of which about that share of the words is right."""
    draws = np.random.default_rng(seed)
    words = np.full(SIZE, LENGTH)
    matches = [draws.binomial(LENGTH - order, share ** (order + 1), SIZE) for order in range(4)]
    return SentenceStatistics(np.stack([words, words, *matches], axis=1))


def end(_made: WorkerContext, trial: optuna.Trial, share: float) -> float:
    """Ends a trial with translations as good as that, and gives their BLEU."""
    found = translations(
        share, trial.number + 1000 * trial.study.study_name.endswith(CONFIRMATION_SUFFIX)
    )
    bleu = found.bleu
    trial.set_user_attr(NUM_PARAMETERS, 1000)
    trial.set_user_attr(VALIDATIONS, {str(STEP): {"bleu": bleu, "chrf": bleu, "loss": 1.0}})
    trial.set_user_attr(BEST_SENTENCES, found.to_text())
    trial.study.tell(trial, bleu)
    return bleu


def search(made: WorkerContext, shares: tuple[float, ...] = (0.5, 0.8, 0.4, 0.7)) -> None:
    """The search itself: a trial for each of the shares."""
    for share in shares:
        trial = claim(made)
        assert trial is not None
        end(made, trial, share)


def run_round(made: WorkerContext, shares: dict[int, float]) -> list[optuna.Trial]:
    """The whole round; a confirmed configuration has the share of its trial's number."""
    claimed = []
    while (trial := claim(made)) is not None:
        claimed.append(trial)
        end(made, trial, shares[trial.user_attrs["confirms"]])
    return claimed


def repeated(made: WorkerContext) -> list[FrozenTrial]:
    """The trials of the study of confirmations."""
    found = confirmation_study(made.storage, made.study)
    return [] if found is None else found.get_trials(deepcopy=False)


def result(made: WorkerContext) -> ConfirmationResult | None:
    """What the confirmations say."""
    trials = made.study.get_trials(deepcopy=False)
    return confirmation_result(trials, repeated(made), made.config.confirm)
