"""What trials of this and of earlier studies are taken for."""

import math
from collections.abc import Sequence

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl_tf.errors import UserError
from automl_tf.search.optuna_compat import storage_of
from automl_tf.search.samplers.history import (
    COMPRESSED_FROM,
    GUESS_NOISE,
    MAX_EARLIER_TRIALS,
    MAX_OWN_TRIALS,
    MIN_TRIALS,
    NOISE,
    ScoredTrials,
    check_named,
    earlier_studies,
    most_informative,
    scored_trials,
)
from automl_tf.search.schema import (
    DEFINITION,
    INFEASIBLE,
    NUM_PAIRS,
    StoppedForecast,
    note_forecast,
)
from tests.search.making import definition

SPACE: dict[str, BaseDistribution] = {
    "model.encoder_layers": IntDistribution(1, 6),
    "model.dropout": FloatDistribution(0.0, 0.5),
}


def made(
    bleu: float | None = None,
    state: TrialState = TrialState.COMPLETE,
    curve: dict[int, float] | None = None,
    **attributes: object,
) -> FrozenTrial:
    return create_trial(
        state=state,
        value=bleu,
        params={"model.encoder_layers": 2, "model.dropout": 0.1},
        distributions=SPACE,
        intermediate_values=curve or {},
        user_attrs=attributes,
    )


def study_of(
    trials: list[FrozenTrial],
    name: str = "made",
    storage: optuna.storages.BaseStorage | None = None,
    direction: str = "maximize",
) -> optuna.Study:
    study = optuna.create_study(direction=direction, study_name=name, storage=storage)
    study.add_trials(trials)
    return study


def scores(trials: list[FrozenTrial], direction: str = "maximize") -> list[float]:
    study = study_of(trials, direction=direction)
    return list(scored_trials(study, study.trials).scores)


def near(*told: float) -> Sequence[float]:
    """The scores as they count: by the logarithms of their distances from the best."""
    best = max(told)
    return [best - COMPRESSED_FROM * math.log(1 + (best - one) / COMPRESSED_FROM) for one in told]


def test_near_the_best_bleu_counts_as_it_is_and_far_from_it_by_orders() -> None:
    told = scores([made(30.0), made(29.9), made(20.0), made(10.0), made(0.0)])
    assert told[:2] == pytest.approx([30.0, 29.9], abs=0.01)
    assert list(told) == sorted(told, reverse=True)
    assert told[2] - told[3] == pytest.approx(COMPRESSED_FROM * math.log(23 / 13))
    assert told[3] - told[4] == pytest.approx(COMPRESSED_FROM * math.log(33 / 23))


def test_with_several_objectives_scores_are_what_they_are() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for bleu in (30.0, 10.0):
        study.add_trial(optuna.trial.create_trial(values=[bleu, 1.0]))
    assert scored_trials(study, study.trials).scores == [30.0, 10.0]


def test_the_less_is_known_of_a_stopped_trial_the_less_it_counts() -> None:
    study = study_of([made(28.0), made(27.0)])
    noises = []
    for hopeful in (20.0, 24.0, 28.0, 40.0):
        trial = study.ask(SPACE)
        note_forecast(trial, StoppedForecast(19.0, hopeful))
        study.tell(trial, state=TrialState.PRUNED)
        noises.append(scored_trials(study, study.trials).noise[-1])
    assert noises[0] == GUESS_NOISE
    assert noises == sorted(noises)
    # What lies beyond the best counts no more than the best.
    assert noises[2] == noises[3] > 1.0


def test_complete_trials_count_with_their_score_and_failed_ones_do_not() -> None:
    trials = [made(20.0), made(22.0), made(state=TrialState.FAIL), made(state=TrialState.RUNNING)]
    assert scores(trials) == pytest.approx(near(20.0, 22.0))
    assert scores(trials, "minimize") == pytest.approx(near(-20.0, -22.0))


def test_a_pruned_trial_counts_with_what_it_might_have_reached() -> None:
    complete = [made(20.0, curve={100: 10.0}), made(24.0, curve={100: 16.0})]
    low = made(state=TrialState.PRUNED, curve={100: 5.0})
    high = made(state=TrialState.PRUNED, curve={100: 23.0})
    assert scores([*complete, low, high]) == pytest.approx(near(20.0, 24.0, 14.0, 24.0))
    elsewhere = made(state=TrialState.PRUNED, curve={50: 5.0})
    assert scores([*complete, elsewhere]) == pytest.approx(near(20.0, 24.0, 5.0))
    study = study_of([*complete, low])
    assert list(scored_trials(study, study.trials).noise) == [NOISE, NOISE, GUESS_NOISE]


def test_a_trial_that_broke_a_constraint_has_no_score() -> None:
    refused = made(state=TrialState.PRUNED, **{INFEASIBLE: True})
    assert scores([made(20.0), made(18.0), refused]) == pytest.approx(near(20.0, 18.0))
    assert scores([refused]) == []


def earlier(
    study: optuna.Study, names: tuple[str, ...] | None, need: str
) -> tuple[ScoredTrials, ...]:
    return earlier_studies(storage_of(study), study.study_name, names, (need,))


def rising(count: int, level: float = 20.0) -> list[FrozenTrial]:
    return [made(level + index) for index in range(count)]


def test_earlier_studies_are_those_of_the_storage_that_searched_the_same_for_bleu() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = study_of(rising(8), "own", storage)
    study_of(rising(9), "good", storage).set_user_attr(NUM_PAIRS, 5000)
    study_of(rising(MIN_TRIALS - 1), "short", storage)
    study_of(rising(9), "falling", storage, direction="minimize")
    [found] = earlier(study, None, "model.dropout")
    assert (len(found.scores), found.corpus.num_pairs) == (9, 5000)
    assert earlier(study, None, "model.d_ff") == ()
    assert earlier(study, (), "model.dropout") == ()


@pytest.mark.parametrize("strange", ["a word", ["a", "list"], {}, {"name": "x"}])
def test_studies_whose_definition_is_none_of_ours_are_left_out(strange: object) -> None:
    storage = optuna.storages.InMemoryStorage()
    study = study_of(rising(8), "own", storage)
    study_of(rising(9), "theirs", storage).set_user_attr(DEFINITION, strange)
    assert earlier(study, None, "model.dropout") == ()


def test_named_studies_are_read_alone_and_must_exist() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = study_of([], "own", storage)
    study_of(rising(5), "first", storage)
    study_of(rising(6), "second", storage)
    [found] = earlier(study, ("first",), "model.dropout")
    assert len(found.scores) == 5
    check_named(storage, ["first", "second"])
    check_named(storage, None)
    with pytest.raises(UserError, match="names third, and there is no such study"):
        check_named(storage, ["first", "third"])


def test_long_studies_are_thinned_from_the_best_to_the_worst() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = study_of([], "own", storage)
    for name in ("first", "second"):
        study_of(rising(MAX_EARLIER_TRIALS), name, storage)
    for found in earlier(study, None, "model.dropout"):
        assert len(found.scores) == MAX_EARLIER_TRIALS / 2
        lowest, middle, highest = near(20.0, 20 + MAX_EARLIER_TRIALS / 2, 19 + MAX_EARLIER_TRIALS)
        assert [min(found.scores), max(found.scores)] == pytest.approx([lowest, highest])
        assert np.median(found.scores) == pytest.approx(middle, abs=0.1)


def test_what_a_study_fixes_is_known_from_its_definition() -> None:
    study = study_of(rising(2))
    assert scored_trials(study, study.trials).fixed == {}
    told = definition(fixed={"model.d_ff": 512}).to_json()
    study.set_user_attr(DEFINITION, told)
    fixed = scored_trials(study, study.trials).fixed
    assert fixed["model.d_ff"] == 512
    assert "training.learning_rate" in fixed


def test_a_long_study_keeps_its_best_trials_and_the_shape_of_the_rest():
    scores = np.random.default_rng(1).normal(size=1000)
    whole = ScoredTrials(
        [{"x": index} for index in range(1000)], list(scores), [0.1] * 1000, {}, None
    )
    kept = most_informative(whole)
    count = MAX_OWN_TRIALS
    assert len(kept.scores) == len(kept.configurations) == len(kept.noise) == count
    ranking = sorted(scores, reverse=True)
    assert set(ranking[: count // 2]) <= set(kept.scores)
    assert min(kept.scores) == ranking[-1]
    assert all(
        scores[point["x"]] == score
        for point, score in zip(kept.configurations, kept.scores, strict=True)
    )
    assert most_informative(kept) is kept
