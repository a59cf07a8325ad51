"""Learning curves, the calibration of small validations, and the shipped prior."""

import itertools
import math

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl_tf.config.study import MedianPruner, PatientPruner, PercentilePruner
from automl_tf.scoring.sentences import SentenceStatistics, paired_bootstrap
from automl_tf.search.pruners.build import build_pruner, describe_rule
from automl_tf.search.pruners.curves import (
    RESTING,
    RISING,
    SLACK,
    STALLED,
    STARTING,
    STATES,
    USUAL_WIGGLE,
    CurvePrior,
    LearningCurve,
    SubsetCalibration,
    shipped_curve_prior,
)
from automl_tf.search.pruners.forecast import RESAMPLES, reference_curves
from automl_tf.search.schema import (
    BEST_SENTENCES,
    SENTENCES,
    VALIDATIONS,
    best_bleu,
    best_merit,
    comparable,
)


def test_a_curve_is_the_best_so_far() -> None:
    curve = LearningCurve.of({300: 12.0, 100: 10.0, 200: 14.0, 400: math.nan})
    assert curve.last == 300
    assert curve.now == curve.top == 14.0
    assert [curve.at(step) for step in (0, 100, 200, 300, 900)] == [0.0, 10.0, 14.0, 14.0, 14.0]
    assert curve.at(50) == pytest.approx(5.0)


@pytest.mark.parametrize("seed", range(5))
def test_what_a_doubling_adds_sums_up_to_the_best(seed: int) -> None:
    draws = np.random.default_rng(seed).uniform(5.0, 15.0, 32)
    curve = LearningCurve.of(dict(enumerate(draws.tolist(), start=1)))
    rises = sum(curve.rise(2**power) for power in range(6))
    assert rises + curve.at(0.5) == pytest.approx(max(draws))


def test_staleness_is_the_share_of_steps_since_the_best() -> None:
    curve = LearningCurve.of({100: 5.0, 200: 8.0, 300: 7.0, 400: 7.5})
    assert curve.staleness(100) == curve.staleness(200) == 0.0
    assert curve.staleness(300) == pytest.approx(1 / 3)
    assert curve.staleness(400) == pytest.approx(1 / 2)
    assert curve.staleness(50) == 0.0


def test_the_first_step_with_a_bleu_is_found_or_none() -> None:
    curve = LearningCurve.of({100: 1.0, 200: 8.0, 300: 7.0, 400: 9.0})
    assert curve.first_at(0.5) == 100
    assert curve.first_at(8.0) == 200
    assert curve.first_at(8.5) == 400
    assert curve.first_at(9.5) is None


def test_a_collapsed_curve_begins_anew_and_keeps_its_best() -> None:
    curve = LearningCurve.of({100: 8.0, 200: 0.5, 300: 1.5, 400: 3.0})
    assert curve.top == 8.0
    assert curve.now == 3.0
    assert curve.staleness(400) == 0.0
    assert curve.rise(400) == pytest.approx(3.0 - 0.5)
    fallen = LearningCurve.of({100: 8.0, 200: 4.0})
    assert fallen.now == 8.0


WHOLE = 400
NUMBERS = itertools.count()


def translated(accuracy: float, seed: int = 1) -> SentenceStatistics:
    """Sentences of which the first hundred are easier than the others."""
    draw = np.random.default_rng(seed)
    length_N = np.random.default_rng(9).integers(6, 25, WHOLE)
    ease_N = np.where(np.arange(WHOLE) < 100, 1.1, 1.0)
    columns, left_N = [length_N, length_N], length_N
    for order in range(4):
        left_N = draw.binomial(np.maximum(left_N - (order > 0), 0), accuracy * ease_N)
        columns.append(left_N)
    return SentenceStatistics(np.stack(columns, axis=1))


def trial(
    state: TrialState, validated: dict[int, tuple[float, int]], number: int, **given: object
) -> FrozenTrial:
    """A trial with a BLEU and a number of sentences at each step."""
    curve = {step: bleu for step, (bleu, _) in validated.items()}
    told = {
        str(step): {"bleu": bleu, "chrf": bleu, "sentences": size}
        for step, (bleu, size) in validated.items()
    }
    value = curve[max(curve)] if state == TrialState.COMPLETE else None
    attributes = {VALIDATIONS: told, **given}
    made = create_trial(state=state, value=value, intermediate_values=curve, user_attrs=attributes)
    made.number = number
    return made


def as_validated(of: SentenceStatistics, size: int) -> tuple[float, int]:
    return of.first(size).bleu, size


def test_the_best_of_a_trial_is_never_one_of_fewer_sentences() -> None:
    lucky = trial(TrialState.RUNNING, {100: (30.0, 100), 200: (20.0, 200), 300: (25.0, 200)}, 0)
    assert best_merit(lucky) == (200, 25.0)
    assert best_bleu(lucky) == 25.0
    assert comparable(lucky) == {200: 20.0, 300: 25.0}
    # Trials of before validations grew say nothing of their sentences.
    lucky.user_attrs[VALIDATIONS] = {"100": {"bleu": 30.0}, "200": {"bleu": 20.0}}
    assert best_bleu(lucky) == 30.0


def test_curves_are_brought_to_the_level_that_complete_trials_show() -> None:
    good, better = translated(0.7, seed=2), translated(0.75, seed=3)
    trials = [
        trial(
            TrialState.COMPLETE,
            {100: as_validated(of, 100), 200: as_validated(of, WHOLE)},
            number,
            **{BEST_SENTENCES: of.to_text()},
        )
        for number, of in enumerate((good, better))
    ]
    judged_by = translated(0.65, seed=4)
    judged = trial(TrialState.RUNNING, {100: as_validated(judged_by, 100)}, 2)
    plain = SubsetCalibration([]).curve(judged)
    raised = SubsetCalibration([*trials, judged]).curve(judged)
    assert plain.top == judged_by.first(100).bleu > judged_by.bleu
    assert abs(raised.top - judged_by.bleu) < abs(plain.top - judged_by.bleu) / 2
    # What was validated on all sentences is what it was.
    for of, one in zip((good, better), trials, strict=True):
        assert SubsetCalibration(trials).curve(one).top == of.bleu
    assert (
        max(reference_curves(judged, [*trials, judged], SubsetCalibration([*trials, judged])).tops)
        == better.bleu
    )


def test_the_top_of_a_curve_is_that_of_the_most_sentences() -> None:
    fallen = trial(TrialState.RUNNING, {100: (30.0, 100), 200: (28.0, WHOLE)}, 0)
    assert SubsetCalibration([]).curve(fallen).top == 28.0


def test_noise_is_that_of_the_sentences_that_both_have() -> None:
    ours, theirs = translated(0.6, seed=5), translated(0.7, seed=6)

    def noise(mine: int, others: int) -> float:
        judged = trial(
            TrialState.RUNNING,
            {100: as_validated(ours, mine)},
            0,
            **{SENTENCES: {"100": ours.first(mine).to_text()}},
        )
        incumbent = trial(
            TrialState.COMPLETE,
            {100: as_validated(theirs, others), 200: as_validated(theirs, WHOLE)},
            1,
            **{SENTENCES: {"100": theirs.first(others).to_text()}},
        )
        return reference_curves(
            judged, [judged, incumbent], SubsetCalibration([judged, incumbent])
        ).noise

    common = paired_bootstrap(ours.first(100), theirs.first(100), RESAMPLES).spread
    assert noise(100, 100) == noise(100, WHOLE) == pytest.approx(common)
    # It falls with the root of what the judged trial itself has translated.
    assert noise(WHOLE, 100) == pytest.approx(common / 2)
    assert noise(WHOLE, WHOLE) == pytest.approx(common / 2, rel=0.3)


@pytest.mark.parametrize(
    ("pruner", "is_stopped"),
    [
        (MedianPruner(kind="median", startup_trials=1), True),
        (PercentilePruner(kind="percentile", percentile=50.0, startup_trials=1), True),
        # Its patience begins where sentences are the same.
        (PatientPruner(kind="patient", patience=1, startup_trials=1), False),
    ],
)
def test_optunas_rules_do_not_see_the_luck_of_few_sentences(
    pruner: MedianPruner | PercentilePruner | PatientPruner, *, is_stopped: bool
) -> None:
    study = optuna.create_study(direction="maximize")
    for top in (20.0, 22.0, 24.0):
        told = {100: (top + 3, 100), 200: (top - 1, WHOLE), 300: (top, WHOLE)}
        study.add_trial(trial(TrialState.COMPLETE, told, next(NUMBERS)))
    rule = build_pruner(pruner, 100, 300, 10)
    # With so much on the first sentences it would pass for one of the upper half.
    lucky = trial(TrialState.RUNNING, {100: (26.0, 100), 200: (18.0, WHOLE)}, 3)
    assert rule.prune(study, lucky) == is_stopped
    words = describe_rule(pruner, [*study.get_trials(), lucky], 3, 200)
    assert words.startswith("best BLEU 18.00 by step 200 is below 21.00")
    same = trial(TrialState.RUNNING, {100: (26.0, WHOLE), 200: (18.0, WHOLE)}, 3)
    assert not rule.prune(study, same)


def test_states_follow_bleu_and_staleness() -> None:
    def state(*bleu: float) -> str:
        curve = LearningCurve.of(dict(enumerate(bleu, 1)))
        return curve.state(curve.last)

    assert state(1.0, 1.5) == STARTING
    assert state(8.0, 9.0) == RISING
    assert state(8.0, 9.0, 10.0, 9.9) == RESTING
    assert state(8.0, 9.0, 8.9) == state(8.0, 7.0, 7.0, 7.0) == STALLED


@pytest.mark.parametrize("seed", range(3))
def test_wiggle_is_the_noise_of_validations_and_no_slope(seed: int) -> None:
    steps = np.arange(1, 200)
    noise = np.random.default_rng(seed).normal(scale=0.8, size=len(steps))

    def of(bleu: np.ndarray) -> LearningCurve:
        return LearningCurve.of(dict(enumerate(bleu.tolist(), 1)))

    wiggles = [of(30 + noise[:until]).wiggle for until in range(40, 200, 5)]
    assert np.median(wiggles) == pytest.approx(0.7, abs=0.25)
    smooth = of(20 + steps / 10)
    assert smooth.wiggle < USUAL_WIGGLE
    assert smooth.shortfall == 0.0
    assert of(30 + noise).shortfall > 0.5
    # One collapse is no noise; a curve that has fallen for long is short of its best.
    spiked = 20 + steps / 10
    spiked[-4] -= 8
    assert of(spiked).wiggle < 2 * USUAL_WIGGLE
    assert of(60 - steps / 10).shortfall > 10


def test_shipped_shapes_are_ordered_and_complete() -> None:
    shapes = shipped_curve_prior()
    assert set(shapes.ratios) == set(STATES)
    assert list(shapes.quantiles) == sorted(shapes.quantiles)
    for row in shapes.ratios.values():
        assert len(row) == len(shapes.quantiles)
        assert list(row) == sorted(row)
    # The longer a curve has not risen, the less it will.
    for better, worse in ((RISING, RESTING), (RESTING, STALLED)):
        assert np.mean(shapes.ratios[better]) > np.mean(shapes.ratios[worse])
    assert shapes.weights().sum() == pytest.approx(1.0)
    assert (shapes.weights() > 0).all()


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_gains_are_the_sum_of_doublings_that_each_add_the_ratio(ratio: float) -> None:
    shapes = CurvePrior([0.5], {RISING: [ratio]})
    added, total = 2.0 + SLACK, 0.0
    for doublings in range(1, 5):
        added *= ratio
        total += added
        (gain,) = shapes.gains(2.0, RISING, doublings)
        assert gain == pytest.approx(total, rel=1e-4)


def test_a_doubling_that_adds_more_than_the_last_is_not_compounded() -> None:
    (once,), (thrice,) = (
        CurvePrior([0.5], {RISING: [2.0]}).gains(2.0, RISING, doublings) for doublings in (1, 3)
    )
    assert once == pytest.approx(2 * (2.0 + SLACK), rel=1e-3)
    assert thrice == pytest.approx(3 * once, rel=1e-3)


def test_a_finished_curve_gains_nothing_and_more_steps_never_gain_less() -> None:
    shapes = shipped_curve_prior()
    for state in STATES:
        gains = [shapes.gains(3.0, state, doublings) for doublings in (0.0, 0.3, 1.0, 4.0)]
        assert gains[0] == pytest.approx(0.0)
        assert all((later >= earlier).all() for earlier, later in itertools.pairwise(gains))
        assert (shapes.gains(6.0, state, 1.0) >= gains[2]).all()
