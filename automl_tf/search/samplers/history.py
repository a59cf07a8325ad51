"""The trials that the sampler learns from: the study's own and those of earlier studies."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from automl_tf.config.study import default_settings
from automl_tf.errors import Place, UserError
from automl_tf.search.samplers.axes import Array
from automl_tf.search.samplers.process import USUAL_SCALE
from automl_tf.search.samplers.text import Text
from automl_tf.search.schema import (
    DEFINITION,
    INFEASIBLE,
    LANGUAGES,
    NUM_PAIRS,
    outlook_at_stop,
    searched,
)

BLEU, LATENCY = "bleu", "latency"
FEWEST_TRIALS = 4
"""Scored trials from which an earlier study has something to tell."""
LEAST_SHARED = 0.5
"""Share of a study's settings that an earlier one must have searched too."""
MOST_STUDIES = 6
"""Earlier studies that are read, the latest."""
MOST_EARLIER_TRIALS = 240
"""Trials of all earlier studies together, so that asking stays fast."""
MOST_OWN_TRIALS = 300
"""Trials of the study itself that are reckoned with: time grows with the cube of their number."""
BEST_SHARE = 0.5
"""Share of those that are the best ones; the others are taken evenly from the ranking."""
NOISE = 0.1
"""Variance of what another seed would change, in units of the variance among configurations."""
GUESS_NOISE = 0.25
"""The least of that of the score that a pruned trial would have had."""
HOPEFUL_DEVIATIONS = 1.645
"""Standard deviations between what is likely and what happens in one of twenty cases."""
CLOSE = 3.0
"""BLEU below the best from which on distances count by their logarithm: how bad a configuration is
that is far from the best says little of where the best are."""


@dataclass(frozen=True)
class Scored:
    """Configurations of one study with their scores.

    Attributes:
        configurations: Searched values by dotted path.
        scores: The first objective of each, turned so that more is better.
        noise: Variance of the noise of each, in units of the study's variance.
        fixed: Values of the settings that the study does not search.
        text: Its training corpus.
    """

    configurations: Sequence[Mapping[str, Any]]
    scores: Sequence[float]
    noise: Sequence[float]
    fixed: Mapping[str, Any]
    text: Text


def scored(study: optuna.Study, trials: Sequence[FrozenTrial]) -> Scored:
    """What the ended trials of a study say of their configurations.

    A pruned trial counts with the score that complete trials reached from where it stood. One that
    broke a constraint was never trained and counts as the worst. A failed one says nothing. Those
    that confirm others are left out: each configuration counts as the search has found it.

    Args:
        study: The study.
        trials: Its trials.
    """
    trials = searched(trials)
    sign = 1.0 if study.directions[0] == StudyDirection.MAXIMIZE else -1.0
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [
        trial
        for trial in trials
        if trial.state == TrialState.PRUNED
        and (trial.intermediate_values or outlook_at_stop(trial))
        and not trial.user_attrs.get(INFEASIBLE)
    ]
    guesses = [_outlook(trial, complete, sign) for trial in pruned]
    scores = [sign * trial.values[0] for trial in complete]
    scores += [sign * likely for likely, _ in guesses]
    noise = [NOISE] * len(complete) + [GUESS_NOISE] * len(pruned)
    if len(study.directions) == 1 and scores:
        best = max(scores)
        noise[len(complete) :] = [_guess_noise(sign * np.array(guess), best) for guess in guesses]
        scores = _close(np.array(scores), best).tolist()
    refused = [trial for trial in trials if trial.user_attrs.get(INFEASIBLE)]
    if scores:
        scores += [min(scores)] * len(refused)
        noise += [NOISE] * len(refused)
    ended = [*complete, *pruned, *(refused if scores else [])]
    return Scored(
        [trial.params for trial in ended], scores, noise, fixed_settings(study), text_of(study)
    )


def _close(scores_N: Array, best: float) -> Array:
    """Scores whose distances below the best grow by their logarithms once they are large."""
    near_N: Array = best - CLOSE * np.log1p((best - np.minimum(scores_N, best)) / CLOSE)
    return near_N


def _guess_noise(guess: Array, best: float) -> float:
    """Variance of what a trial might have reached, in units of a study's usual variance.

    Args:
        guess: The score that is likely, and the one that it exceeds in one of twenty cases.
        best: The best score of the study.
    """
    likely, hopeful = _close(guess, best)
    spread = (hopeful - likely) / HOPEFUL_DEVIATIONS / USUAL_SCALE
    return max(GUESS_NOISE, float(spread) ** 2)


def earlier_studies(
    study: optuna.Study, names: Sequence[str] | None, *, needs: Sequence[str]
) -> tuple[Scored, ...]:
    """The latest earlier studies that searched most of the same settings for BLEU.

    They are read once a process.

    Args:
        study: The study that is to learn from them.
        names: The studies to read; all others of the storage if None.
        needs: The settings that the study searches.

    Raises:
        UserError: If a named study does not exist.
    """
    storage = study._storage  # noqa: SLF001 - the only way from a study to its neighbours
    return _read(storage, study.study_name, None if names is None else tuple(names), tuple(needs))


def check_named(storage: BaseStorage, names: Sequence[str] | None) -> None:
    """Refuses names of studies that are not in the storage.

    Raises:
        UserError: With the first name that is missing.
    """
    there = optuna.get_all_study_names(storage) if names else []
    for name in names or ():
        if name not in there:
            raise UserError(
                f"sampler.learn_from names {name}, and there is no such study.",
                f"There are: {', '.join(sorted(there)) or 'none yet'}.",
                Place(key="sampler.learn_from"),
            )


def most_telling(study: Scored, most: int = MOST_OWN_TRIALS) -> Scored:
    """A long study without many of those of its trials that are far from the best.

    Args:
        study: The study.
        most: Trials that may be left.
    """
    count = len(study.scores)
    if count <= most:
        return study
    ranking = np.argsort(-np.array(study.scores), kind="stable")
    best = int(BEST_SHARE * most)
    return _chosen(study, np.concatenate([ranking[:best], _evenly(ranking[best:], most - best)]))


def fixed_settings(study: optuna.Study) -> dict[str, Any]:
    """The settings that a study does not search; none where its definition is not known."""
    definition = _attributes(study).get(DEFINITION)
    return {} if definition is None else {**default_settings(), **definition["fixed"]}


def objectives(study: optuna.Study) -> tuple[str, ...]:
    """The names of a study's objectives; of one whose definition is not known, the usual ones."""
    definition = _attributes(study).get(DEFINITION)
    if definition is not None:
        return tuple(definition["objectives"])
    return tuple(BLEU if way == StudyDirection.MAXIMIZE else LATENCY for way in study.directions)


def note_text(study: optuna.Study, text: Text) -> None:
    """Keeps with a study what its training corpus is."""
    study.set_user_attr(NUM_PAIRS, text.num_pairs)
    study.set_user_attr(LANGUAGES, text.languages)


def text_of(study: optuna.Study) -> Text:
    """The training corpus of a study."""
    told = _attributes(study)
    languages = told.get(LANGUAGES)
    return Text(told.get(NUM_PAIRS), languages and (languages[0], languages[1]))


def _attributes(study: optuna.Study) -> dict[str, Any]:
    """The attributes of a study, or of the part of one that Hyperband shows to samplers."""
    return study._storage.get_study_user_attrs(study._study_id)  # noqa: SLF001


def _outlook(
    trial: FrozenTrial, complete: Sequence[FrozenTrial], sign: float
) -> tuple[float, float]:
    """What a pruned trial might have reached, likely (not above the best) and hopefully."""
    noted = outlook_at_stop(trial)
    if noted is not None:
        best = max([peer.values[0] for peer in complete], default=noted.likely)
        return min(noted.likely, best), noted.hopeful
    step = max(trial.intermediate_values)
    so_far: float = trial.intermediate_values[step]
    rises = [
        peer.values[0] - peer.intermediate_values[step]
        for peer in complete
        if step in peer.intermediate_values
    ]
    if not rises:
        return so_far, so_far
    best = max(sign * peer.values[0] for peer in complete)
    likely = sign * min(best, sign * (so_far + float(np.median(rises))))
    return likely, likely


@functools.lru_cache(maxsize=8)
def _read(
    storage: BaseStorage, own: str, names: tuple[str, ...] | None, needs: tuple[str, ...]
) -> tuple[Scored, ...]:
    check_named(storage, names)
    summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
    wanted = [
        summary
        for summary in summaries
        if summary.study_name != own
        and (names is None or summary.study_name in names)
        and summary.directions[0] == StudyDirection.MAXIMIZE
    ]
    wanted.sort(key=lambda summary: (summary.datetime_start is not None, summary.datetime_start))
    found = []
    for summary in reversed(wanted):
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        known = scored(study, study.get_trials(deepcopy=False))
        searched = {name for params in known.configurations for name in params}
        shared = len(searched & set(needs))
        if len(known.scores) >= FEWEST_TRIALS and shared >= LEAST_SHARED * len(needs):
            found.append(known)
        if len(found) == MOST_STUDIES:
            break
    return tuple(_thinned(study, MOST_EARLIER_TRIALS // len(found)) for study in found)


def _thinned(study: Scored, most: int) -> Scored:
    """A study with at most so many trials: every other of a ranking, so that it keeps its shape."""
    count = len(study.scores)
    if count <= most:
        return study
    return _chosen(study, _evenly(np.argsort(study.scores, kind="stable")[::-1], most))


def _evenly(ranking: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    chosen: NDArray[np.intp] = ranking[
        np.unique(np.linspace(0, len(ranking) - 1, most).round().astype(int))
    ]
    return chosen


def _chosen(study: Scored, kept: NDArray[np.intp]) -> Scored:
    return replace(
        study,
        configurations=[study.configurations[index] for index in kept],
        scores=[study.scores[index] for index in kept],
        noise=[study.noise[index] for index in kept],
    )
