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

from automl_tf.config.settings import default_settings
from automl_tf.errors import Place, UserError
from automl_tf.search.optuna_compat import study_attributes
from automl_tf.search.samplers.gp import USUAL_SCALE
from automl_tf.search.samplers.priors import Array, CorpusInfo
from automl_tf.search.schema import (
    CONFIRMED_STUDY,
    DEFINITION,
    INFEASIBLE,
    LANGUAGES,
    NUM_PAIRS,
    describe_unreadable,
    failure_kind,
    forecast_at_stop,
    is_feasible,
    is_paused,
)

MIN_TRIALS = 4
"""Scored trials from which an earlier study has something to tell."""
MIN_SHARED = 0.5
"""Share of a study's settings that an earlier one must have searched too."""
MAX_STUDIES = 6
"""Earlier studies that are read, the latest."""
MAX_EARLIER_TRIALS = 240
"""Trials of all earlier studies together, so that asking stays fast."""
MAX_OWN_TRIALS = 300
"""Most trials of the study itself that are modelled: time grows with the cube of their number."""
BEST_SHARE = 0.5
"""Share of those that are the best ones; the others are taken evenly from the ranking."""
UNKNOWN_CAUSE = "unknown"
"""Cause of failures that were told without one."""
NOISE = 0.1
"""Variance of what another seed would change, in units of the variance among configurations."""
GUESS_NOISE = 0.25
"""The least of that of the score that a pruned trial would have had."""
P95_DEVIATIONS = 1.645
"""Standard deviations between what is likely and what happens in one of twenty cases."""
COMPRESSED_FROM = 3.0
"""BLEU below the best from which on distances count by their logarithm: how bad a configuration is
that is far from the best says little of where the best are."""


@dataclass(frozen=True)
class ScoredTrials:
    """Configurations of one study with their scores.

    Attributes:
        configurations: Searched values by dotted path.
        scores: The first objective of each, turned so that more is better.
        noise: Variance of the noise of each, in units of the study's variance.
        fixed: Values of the settings that the study does not search.
        corpus: Its training corpus.
    """

    configurations: Sequence[Mapping[str, Any]]
    scores: Sequence[float]
    noise: Sequence[float]
    fixed: Mapping[str, Any]
    corpus: CorpusInfo


def scored_trials(study: optuna.Study, trials: Sequence[FrozenTrial]) -> ScoredTrials:
    """Returns the ended trials of a study with their scores.

    A pruned trial counts with the score that complete trials reached from where it stood, and so
    does one that a scheduler has begun and may resume. Failed trials and those that broke a
    constraint have no score: the feasibility model learns from them.
    Confirmations are left out: each configuration counts as the search has found it.

    Args:
        study: The study.
        trials: Its trials.
    """
    sign = 1.0 if study.directions[0] == StudyDirection.MAXIMIZE else -1.0
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    pruned = [
        trial
        for trial in trials
        if (
            trial.state == TrialState.PRUNED
            and (trial.intermediate_values or forecast_at_stop(trial))
            and is_feasible(trial)
        )
        # Begun by a scheduler that will resume it when it is worth it.
        or (not trial.state.is_finished() and forecast_at_stop(trial))
    ]
    guesses = [_estimated_end(trial, complete, sign) for trial in pruned]
    scores = [sign * trial.values[0] for trial in complete]
    scores += [sign * median for median, _ in guesses]
    noise = [NOISE] * len(complete) + [GUESS_NOISE] * len(pruned)
    if len(study.directions) == 1 and scores:
        best = max(scores)
        likely_N2 = compress(sign * np.reshape(guesses, (-1, 2)), best)
        spread_N = (likely_N2[:, 1] - likely_N2[:, 0]) / P95_DEVIATIONS / USUAL_SCALE
        noise[len(complete) :] = np.maximum(GUESS_NOISE, spread_N**2).tolist()
        scores = compress(np.array(scores), best).tolist()
    configurations = [trial.params for trial in [*complete, *pruned]]
    fixed, corpus = fixed_settings(study), corpus_info_of(study)
    return ScoredTrials(configurations, scores, noise, fixed, corpus)


def failures_of_settings(
    trials: Sequence[FrozenTrial], known: Sequence[Mapping[str, Any]] = ()
) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the configurations that failed because of their settings, by cause.

    A lost worker, an I/O error or an unexpected exception says nothing of the settings.

    Args:
        trials: Trials of a study.
        known: Further configurations that are known to fail.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for trial in trials:
        kind = failure_kind(trial)
        if kind is not None and kind.is_of_settings:
            found.setdefault(kind.value, []).append(trial.params)
        elif not is_feasible(trial):
            found.setdefault(INFEASIBLE, []).append(trial.params)
    listed = [params for failed in found.values() for params in failed]
    others = [params for params in known if params not in listed]
    return {**found, UNKNOWN_CAUSE: others} if others else found


def trained_configurations(trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
    """Returns the configurations that could be trained, at least until the pruner stopped them."""
    return [
        trial.params
        for trial in trials
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and is_feasible(trial)
    ]


def tried(trials: Sequence[FrozenTrial]) -> list[Mapping[str, Any]]:
    """Returns the configurations that need no second trial: not where a machine or disk failed."""
    return [
        trial.params
        for trial in trials
        if (trial.state != TrialState.WAITING or is_paused(trial))
        and not ((kind := failure_kind(trial)) and not kind.costs_budget)
    ]


def compress(scores_N: Array, best: float) -> Array:
    """Returns scores whose large distances below the best are replaced by logarithms."""
    near_N: Array = best - COMPRESSED_FROM * np.log1p(
        (best - np.minimum(scores_N, best)) / COMPRESSED_FROM
    )
    return near_N


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


def most_informative(study: ScoredTrials) -> ScoredTrials:
    """Returns a long study without most of its trials that are far from the best."""
    ranking = np.argsort(-np.array(study.scores), kind="stable")
    return _thinned(study, ranking, MAX_OWN_TRIALS, int(BEST_SHARE * MAX_OWN_TRIALS))


def fixed_settings(study: optuna.Study) -> dict[str, Any]:
    """Returns the settings that a study does not search; none without a definition."""
    definition = study_attributes(study).get(DEFINITION)
    return {} if definition is None else {**default_settings(), **definition["fixed"]}


def objectives(study: optuna.Study) -> tuple[str, ...]:
    """Returns the names of a study's objectives; the usual ones without a definition."""
    definition = study_attributes(study).get(DEFINITION)
    if definition is not None:
        return tuple(definition["objectives"])
    is_quality = (way == StudyDirection.MAXIMIZE for way in study.directions)
    return tuple("bleu" if wants_more else "latency" for wants_more in is_quality)


def record_corpus_info(study: optuna.Study, corpus: CorpusInfo) -> None:
    """Records the training corpus of a study."""
    study.set_user_attr(NUM_PAIRS, corpus.num_pairs)
    study.set_user_attr(LANGUAGES, corpus.languages)


def corpus_info_of(study: optuna.Study) -> CorpusInfo:
    """Returns the training corpus of a study."""
    told = study_attributes(study)
    languages = told.get(LANGUAGES)
    return CorpusInfo(told.get(NUM_PAIRS), languages and (languages[0], languages[1]))


def _estimated_end(
    trial: FrozenTrial, complete: Sequence[FrozenTrial], sign: float
) -> tuple[float, float]:
    """Returns median and 95th percentile of the final score of a trial without its end.

    The median of a pruned trial is at most the best: it was stopped as it would not exceed that.
    """
    noted = forecast_at_stop(trial)
    if noted is not None and not trial.state.is_finished():
        return noted.median, noted.p95
    if noted is not None:
        best = max([peer.values[0] for peer in complete], default=noted.median)
        return min(noted.median, best), noted.p95
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
def earlier_studies(
    storage: BaseStorage, own: str, names: tuple[str, ...] | None, needs: tuple[str, ...]
) -> tuple[ScoredTrials, ...]:
    """Returns the latest earlier studies that searched most of the same settings for BLEU.

    They are read once a process.

    Args:
        storage: The storage of all studies.
        own: Name of the study that is to learn from them.
        names: The studies to read; all others of the storage if None.
        needs: The settings that the study searches.

    Raises:
        UserError: If a named study does not exist.
    """
    check_named(storage, names)
    wanted = [
        summary
        for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)
        if summary.study_name != own
        and CONFIRMED_STUDY not in summary.user_attrs
        and (names is None or summary.study_name in names)
        and summary.directions[0] == StudyDirection.MAXIMIZE
        and _is_readable(summary)
    ]
    wanted.sort(key=lambda summary: (summary.datetime_start is not None, summary.datetime_start))
    found: list[ScoredTrials] = []
    for summary in reversed(wanted):
        study = optuna.load_study(study_name=summary.study_name, storage=storage)
        known = scored_trials(study, study.get_trials(deepcopy=False))
        shared = {name for params in known.configurations for name in params} & set(needs)
        if len(known.scores) >= MIN_TRIALS and len(shared) >= MIN_SHARED * len(needs):
            found.append(known)
        if len(found) == MAX_STUDIES:
            break
    rankings = [np.argsort(study.scores, kind="stable")[::-1] for study in found]
    return tuple(
        _thinned(study, ranking, MAX_EARLIER_TRIALS // len(found))
        for study, ranking in zip(found, rankings, strict=True)
    )


def _is_readable(summary: optuna.study.StudySummary) -> bool:
    """Returns False for a study whose definition is none, or is that of another version."""
    attributes = summary.user_attrs
    return (
        DEFINITION not in attributes or describe_unreadable(summary.study_name, attributes) is None
    )


def _thinned(
    study: ScoredTrials, ranking: NDArray[np.intp], most: int, best: int = 0
) -> ScoredTrials:
    """Returns a study's best trials, and others evenly from the ranking; most in all."""
    if len(ranking) <= most:
        return study
    places = np.unique(np.linspace(best, len(ranking) - 1, most - best).round().astype(int))
    kept = [*ranking[:best], *ranking[places]]
    return replace(
        study,
        configurations=[study.configurations[index] for index in kept],
        scores=[study.scores[index] for index in kept],
        noise=[study.noise[index] for index in kept],
    )
