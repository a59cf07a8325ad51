"""Forecasts of learning curves, and the trials they are compared with."""

import dataclasses

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl_tf.scoring.sentences import SentenceStatistics, paired_bootstrap
from automl_tf.search.pruners.curves import LearningCurve, SubsetCalibration, shipped_curve_prior
from automl_tf.search.pruners.forecast import (
    MIN_NOISE,
    RESAMPLES,
    USUAL_NOISE,
    CurveForecast,
    ReferenceCurves,
    TopKTarget,
    forecast,
    reference_curves,
)
from automl_tf.search.schema import INFEASIBLE, SENTENCES

STEPS = range(100, 1700, 100)


def risen(top: float, until: int = 1600, share: float = 0.6) -> LearningCurve:
    """A curve that rises by a fixed share less with each doubling of its steps."""
    doublings = {step: 1 + (step / 100) ** -0.5 for step in STEPS}
    return LearningCurve.of(
        {step: top * (1 - share * (doublings[step] - 1)) for step in STEPS if step <= until}
    )


def others(*tops: float) -> ReferenceCurves:
    curves = [risen(top) for top in tops]
    return ReferenceCurves(curves, [curve.top for curve in curves])


def judged(
    curve: LearningCurve,
    references: ReferenceCurves,
    top: int = 3,
    max_steps: int = 1600,
    num_trials: int = 5,
) -> CurveForecast:
    """The forecast in a study that ends with this trial, or with so many."""
    return forecast(
        curve, references, max_steps, TopKTarget(top, num_trials), shipped_curve_prior()
    )


FIELD = others(20.0, 22.0, 24.0, 26.0)


def test_any_end_is_among_the_best_of_a_study_that_ends_with_so_few() -> None:
    two = others(20.0, 22.0)
    assert judged(risen(8.0, 400), two, num_trials=3).probability == pytest.approx(1.0)
    assert judged(risen(8.0, 400), two, top=2, num_trials=3).probability < 0.05


@pytest.mark.parametrize(("top", "trials", "total"), [(3, 4, 20), (2, 5, 9), (3, 2, 6), (1, 3, 8)])
def test_a_rank_is_kept_as_often_as_in_studies_drawn_at_random(
    top: int, trials: int, total: int
) -> None:
    draws = np.random.default_rng(1).random((20_000, total))
    among_best = (-draws).argsort(axis=1).argsort(axis=1) < top
    ranks = (-draws[:, :trials]).argsort(axis=1).argsort(axis=1) + 1
    target = TopKTarget(top, total)
    assert target.keeps(1, trials) == 1.0
    for rank in range(2, trials + 1):
        share = among_best[:, :trials][ranks == rank].mean()
        assert target.keeps(rank, trials) == pytest.approx(share, abs=0.02)


def test_a_rank_is_worth_less_the_more_trials_are_to_come() -> None:
    worth = [TopKTarget(3, total).keeps(2, 4) for total in (4, 5, 10, 20, 100)]
    assert worth[0] == 1.0
    assert worth == sorted(worth, reverse=True)
    # A budget that was spent and is not raised yet.
    assert TopKTarget(3, 4).keeps(3, 30) == 1.0
    assert TopKTarget(3, 4).keeps(4, 30) == 0.0


def test_chances_are_probabilities_that_grow_with_the_curve() -> None:
    chances = [
        judged(risen(top, 800), FIELD).probability for top in (4.0, 12.0, 18.0, 21.0, 23.0, 27.0)
    ]
    assert chances == sorted(chances)
    assert all(0.0 <= chance <= 1.0 for chance in chances)
    assert chances[0] < 0.01
    assert chances[-1] > 0.99


def test_what_is_among_the_best_already_stays_there() -> None:
    best = judged(risen(26.0), FIELD)
    assert best.probability > 0.99
    # A collapse takes nothing from what was reached.
    collapsed = LearningCurve.of({100: 30.0, 200: 0.1, 300: 0.1, 400: 0.2})
    assert judged(collapsed, FIELD).probability > 0.99


def test_fewer_best_ones_ask_for_more() -> None:
    curve = risen(22.5, 800)
    chances = [judged(curve, FIELD, top).probability for top in (1, 2, 3, 4)]
    assert chances == sorted(chances)
    assert chances[0] < chances[-1]
    assert judged(curve, FIELD, 2).incumbents == tuple(sorted(FIELD.tops)[:-3:-1])


def test_the_more_steps_are_left_the_more_may_come() -> None:
    curve = risen(19.0, 400)
    alone = ReferenceCurves([], FIELD.tops)
    chances = [judged(curve, alone, max_steps=steps).probability for steps in (400, 500, 800, 6400)]
    assert chances == sorted(chances)
    assert chances[0] < 0.01
    assert chances[-1] > 0.1


def test_a_stalled_curve_has_less_chance_than_one_that_rises_to_the_same_bleu() -> None:
    rising = LearningCurve.of({100: 8.0, 200: 11.0, 300: 13.0, 400: 14.0, 500: 15.0, 600: 16.0})
    stalled = LearningCurve.of({100: 8.0, 200: 16.0, 300: 15.9, 400: 15.8, 500: 15.9, 600: 15.7})
    alone = ReferenceCurves([], [18.0, 18.0, 18.0])
    assert judged(stalled, alone).probability < judged(rising, alone).probability


def test_trials_that_jump_at_the_end_teach_to_wait_for_it() -> None:
    """A learning rate that cools down lifts every curve of a study at the same step."""
    flat = {step: 15.0 + step / 1000 for step in range(100, 1500, 100)}
    jumps = [
        LearningCurve.of({**flat, 1500: 18.0 + rest, 1600: 20.0 + rest}) for rest in (0.0, 0.5, 1.0)
    ]
    known = ReferenceCurves(jumps * 4, [curve.top for curve in jumps])
    same = LearningCurve.of({step: bleu for step, bleu in flat.items() if step <= 1000})
    assert judged(same, known).probability > 0.3
    assert judged(same, dataclasses.replace(known, complete=[])).probability < 0.1


def short(top: float, until: int = 900) -> LearningCurve:
    """A short training that warms up: each doubling of the steps adds more than the last one."""
    shares = dict(zip(range(100, 1000, 100), (15, 34, 62, 66, 82, 86, 92, 98, 100), strict=True))
    return LearningCurve.of(
        {step: top * part / 100 for step, part in shares.items() if step <= until}
    )


def test_one_trial_that_rose_further_than_the_shapes_foretell_is_believed() -> None:
    best = ReferenceCurves([short(28.5)], [28.5])
    for until in (100, 200, 300):
        alike = judged(short(28.0, until), best, max_steps=900, num_trials=60)
        assert alike.median == pytest.approx(28.0, rel=0.25)
        assert alike.probability > 0.2
        assert judged(short(15.0, until), best, max_steps=900, num_trials=60).probability < 0.1


def validated(*bleu: float) -> LearningCurve:
    """A curve with a validation every hundred steps."""
    return LearningCurve.of({100 * number: value for number, value in enumerate(bleu, 1)})


def test_the_incumbents_better_is_not_stopped_for_one_slow_validation() -> None:
    incumbent = [3.1, 10.4, 15.6, 16.8, 25.1, 25.2, 26.5, 29.6, 29.4]
    better = [2.3, 13.1, 14.6, 22.1, 25.6, 27.4, 29.3, 28.9, 31.0]
    references = ReferenceCurves([validated(*incumbent)], [29.6, 24.1, 0.3])
    for until in range(1, 9):
        told = judged(validated(*better[:until]), references, max_steps=900, num_trials=60)
        assert told.probability > 0.05, until
    far = judged(validated(1.1, 2.7), references, max_steps=900, num_trials=60)
    assert far.probability < 0.05


def test_trials_that_went_on_as_the_shapes_foretell_leave_them_their_weight() -> None:
    curve, alone = risen(18.0, 200), ReferenceCurves([], FIELD.tops)
    foretold = judged(curve, alone).median
    slower = ReferenceCurves([risen(20.0, share=0.1)], FIELD.tops)
    assert judged(curve, slower).median == pytest.approx(foretold, rel=0.05)


def test_more_noise_makes_a_trial_that_is_behind_less_certainly_lost() -> None:
    curve = risen(21.0, 1500)
    chances = [
        judged(curve, dataclasses.replace(FIELD, noise=noise)).probability
        for noise in (0.05, 0.5, 1.5)
    ]
    assert chances == sorted(chances)
    assert chances[0] < 0.05 < chances[-1]


def test_a_trial_that_has_not_taken_off_waits_as_long_as_others_took() -> None:
    late = {
        **dict.fromkeys(range(100, 800, 100), 0.1),
        **{s: s / 80 for s in range(800, 1700, 100)},
    }
    starters = [LearningCurve.of(late) for _ in range(4)]
    references = ReferenceCurves(starters, [curve.top for curve in starters])
    waiting = LearningCurve.of(dict.fromkeys(range(100, 500, 100), 0.1))
    early = ReferenceCurves([risen(20.0)] * 30, [20.0] * 3 + [19.0] * 27)
    assert judged(waiting, references).probability > 0.2
    assert judged(waiting, early).probability < 0.05


def test_the_words_hold_the_numbers_that_decide() -> None:
    found = judged(risen(12.0, 400), FIELD)
    words = found.describe()
    for part in (
        f"{100 * found.probability:.1f} %",
        f"{found.bleu:.2f}",
        "step 400",
        *(f"{mark:.2f}" for mark in found.incumbents),
        "best 3",
        "4 others",
    ):
        assert part in words
    assert found.bleu <= found.median <= found.p95
    assert found.incumbents == tuple(sorted(FIELD.tops)[:0:-1])


def trial(
    state: TrialState, curve: dict[int, float], number: int, **attributes: object
) -> FrozenTrial:
    value = max(curve.values()) if state == TrialState.COMPLETE else None
    made = create_trial(state=state, value=value, intermediate_values=curve, user_attrs=attributes)
    made.number = number
    return made


def among(judged: FrozenTrial, trials: list[FrozenTrial]) -> ReferenceCurves:
    return reference_curves(judged, trials, SubsetCalibration(trials))


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
    references = among(judged, trials)
    assert sorted(references.tops) == [5.0, 8.0, 20.0, 30.0]
    assert [curve.top for curve in references.complete] == [20.0]
    assert references.noise == USUAL_NOISE


def test_noise_is_that_of_a_paired_bootstrap_with_the_incumbents_at_the_same_step() -> None:
    ours, theirs = statistics(1, 0.6), statistics(2, 0.7)
    judged = trial(TrialState.RUNNING, {100: 9.0, 200: 10.0}, 0, **sentences(ours))
    incumbent = trial(TrialState.COMPLETE, {200: 11.0, 300: 12.0}, 1, **sentences(theirs))
    elsewhere = trial(TrialState.COMPLETE, {300: 12.0}, 2, **{SENTENCES: {"300": "unread"}})
    expected = paired_bootstrap(ours, theirs, RESAMPLES).spread
    assert among(judged, [judged, incumbent, elsewhere]).noise == pytest.approx(expected)
    assert among(judged, [judged, elsewhere]).noise == USUAL_NOISE
    twin = trial(TrialState.COMPLETE, {200: 10.0, 300: 12.0}, 1, **sentences(ours))
    assert among(judged, [judged, twin]).noise == MIN_NOISE


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
    references = among(trials[-1], trials)
    assert sorted(references.tops) == [20.0, 22.0]
    assert len(references.complete) == 2
