"""What of a study's trials a trial is compared with."""

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl_tf.scoring.sentences import SentenceStatistics, paired_bootstrap
from automl_tf.search.pruners.levels import Levels
from automl_tf.search.pruners.outlook import USUAL_NOISE, Rivals
from automl_tf.search.pruners.rivals import LEAST_NOISE, RESAMPLES, rivals_of
from automl_tf.search.schema import INFEASIBLE, SENTENCES


def trial(
    state: TrialState, curve: dict[int, float], number: int, **attributes: object
) -> FrozenTrial:
    value = max(curve.values()) if state == TrialState.COMPLETE else None
    made = create_trial(state=state, value=value, intermediate_values=curve, user_attrs=attributes)
    made.number = number
    return made


def among(judged: FrozenTrial, trials: list[FrozenTrial]) -> Rivals:
    return rivals_of(judged, trials, Levels(trials))


def statistics(seed: int, accuracy: float) -> SentenceStatistics:
    draw = np.random.default_rng(seed)
    length_N = draw.integers(5, 20, 200)
    columns = [length_N, length_N]
    left_N = length_N
    for order in range(4):
        left_N = draw.binomial(np.maximum(left_N - (order > 0), 0), accuracy)
        columns.append(left_N)
    return SentenceStatistics(np.stack(columns, axis=1))


def sentences(of: SentenceStatistics) -> dict[str, object]:
    return {SENTENCES: {"200": of.to_text()}}


def test_all_but_lost_trials_count_and_only_complete_ones_show_how_curves_go_on() -> None:
    judged = trial(TrialState.RUNNING, {100: 9.0}, 0)
    trials = [
        judged,
        trial(TrialState.COMPLETE, {100: 10.0, 200: 20.0}, 1),
        trial(TrialState.PRUNED, {100: 5.0}, 2),
        trial(TrialState.RUNNING, {100: 30.0, 200: 29.0}, 3),
        trial(TrialState.FAIL, {100: 40.0}, 4),
        trial(TrialState.WAITING, {100: 8.0}, 5),
        trial(TrialState.WAITING, {}, 6),
        trial(TrialState.PRUNED, {}, 7, **{INFEASIBLE: True}),
    ]
    rivals = among(judged, trials)
    assert sorted(rivals.tops) == [5.0, 8.0, 20.0, 30.0]
    assert [curve.top for curve in rivals.complete] == [20.0]
    assert rivals.noise == USUAL_NOISE


def test_noise_is_that_of_a_paired_bootstrap_with_the_incumbents_at_the_same_step() -> None:
    ours, theirs = statistics(1, 0.6), statistics(2, 0.7)
    judged = trial(TrialState.RUNNING, {100: 9.0, 200: 10.0}, 0, **sentences(ours))
    incumbent = trial(TrialState.COMPLETE, {200: 11.0, 300: 12.0}, 1, **sentences(theirs))
    elsewhere = trial(TrialState.COMPLETE, {300: 12.0}, 2, **{SENTENCES: {"300": "unread"}})
    expected = paired_bootstrap(ours, theirs, RESAMPLES).spread
    assert among(judged, [judged, incumbent, elsewhere]).noise == pytest.approx(expected)
    assert among(judged, [judged, elsewhere]).noise == USUAL_NOISE
    twin = trial(TrialState.COMPLETE, {200: 10.0, 300: 12.0}, 1, **sentences(ours))
    assert among(judged, [judged, twin]).noise == LEAST_NOISE


def test_trials_read_from_a_storage_serve(tmp_path: object) -> None:
    study = optuna.create_study(direction="maximize", storage=f"sqlite:///{tmp_path}/studies.db")
    for top in (20.0, 22.0):
        asked = study.ask()
        for step in (100, 200):
            asked.report(top * step / 200, step)
        study.tell(asked, top)
    running = study.ask()
    running.report(4.0, 100)
    trials = study.get_trials(deepcopy=False)
    rivals = among(trials[-1], trials)
    assert sorted(rivals.tops) == [20.0, 22.0]
    assert len(rivals.complete) == 2
