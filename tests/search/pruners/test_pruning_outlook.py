"""The chance of ending among the best: what must raise it, lower it or leave it alone."""

import dataclasses

import numpy as np
import pytest

from automl_tf.search.pruners.curve import Curve
from automl_tf.search.pruners.outlook import Aim, Outlook, Rivals, outlook
from automl_tf.search.pruners.shapes import shipped_shapes

STEPS = range(100, 1700, 100)


def risen(top: float, until: int = 1600, share: float = 0.6) -> Curve:
    """A curve that rises by a fixed share less with each doubling of its steps."""
    doublings = {step: 1 + (step / 100) ** -0.5 for step in STEPS}
    return Curve.of(
        {step: top * (1 - share * (doublings[step] - 1)) for step in STEPS if step <= until}
    )


def others(*tops: float) -> Rivals:
    curves = [risen(top) for top in tops]
    return Rivals(curves, [curve.top for curve in curves])


def judged(
    curve: Curve, rivals: Rivals, top: int = 3, max_steps: int = 1600, num_trials: int = 5
) -> Outlook:
    """The outlook in a study that ends with this trial, or with so many."""
    return outlook(curve, rivals, max_steps, Aim(top, num_trials), shipped_shapes())


FIELD = others(20.0, 22.0, 24.0, 26.0)


def test_any_end_is_among_the_best_of_a_study_that_ends_with_so_few() -> None:
    two = others(20.0, 22.0)
    assert judged(risen(8.0, 400), two, num_trials=3).chance == pytest.approx(1.0)
    assert judged(risen(8.0, 400), two, top=2, num_trials=3).chance < 0.05


@pytest.mark.parametrize(("top", "trials", "total"), [(3, 4, 20), (2, 5, 9), (3, 2, 6), (1, 3, 8)])
def test_a_rank_is_kept_as_often_as_in_studies_drawn_at_random(
    top: int, trials: int, total: int
) -> None:
    draws = np.random.default_rng(1).random((20_000, total))
    among_best = (-draws).argsort(axis=1).argsort(axis=1) < top
    ranks = (-draws[:, :trials]).argsort(axis=1).argsort(axis=1) + 1
    aim = Aim(top, total)
    assert aim.keeps(1, trials) == 1.0
    for rank in range(2, trials + 1):
        share = among_best[:, :trials][ranks == rank].mean()
        assert aim.keeps(rank, trials) == pytest.approx(share, abs=0.02)


def test_a_rank_is_worth_less_the_more_trials_are_to_come() -> None:
    worth = [Aim(3, total).keeps(2, 4) for total in (4, 5, 10, 20, 100)]
    assert worth[0] == 1.0
    assert worth == sorted(worth, reverse=True)
    # A budget that was spent and is not raised yet.
    assert Aim(3, 4).keeps(3, 30) == 1.0
    assert Aim(3, 4).keeps(4, 30) == 0.0


def test_chances_are_probabilities_that_grow_with_the_curve() -> None:
    chances = [judged(risen(top, 800), FIELD).chance for top in (4.0, 12.0, 18.0, 21.0, 23.0, 27.0)]
    assert chances == sorted(chances)
    assert all(0.0 <= chance <= 1.0 for chance in chances)
    assert chances[0] < 0.01
    assert chances[-1] > 0.99


def test_what_is_among_the_best_already_stays_there() -> None:
    best = judged(risen(26.0), FIELD)
    assert best.chance > 0.99
    # A collapse takes nothing from what was reached.
    collapsed = Curve.of({100: 30.0, 200: 0.1, 300: 0.1, 400: 0.2})
    assert judged(collapsed, FIELD).chance > 0.99


def test_fewer_best_ones_ask_for_more() -> None:
    curve = risen(22.5, 800)
    chances = [judged(curve, FIELD, top).chance for top in (1, 2, 3, 4)]
    assert chances == sorted(chances)
    assert chances[0] < chances[-1]
    assert judged(curve, FIELD, 2).marks == tuple(sorted(FIELD.tops)[:-3:-1])


def test_the_more_steps_are_left_the_more_may_come() -> None:
    curve = risen(19.0, 400)
    alone = Rivals([], FIELD.tops)
    chances = [judged(curve, alone, max_steps=steps).chance for steps in (400, 500, 800, 6400)]
    assert chances == sorted(chances)
    assert chances[0] < 0.01
    assert chances[-1] > 0.1


def test_a_stalled_curve_has_less_chance_than_one_that_rises_to_the_same_bleu() -> None:
    rising = Curve.of({100: 8.0, 200: 11.0, 300: 13.0, 400: 14.0, 500: 15.0, 600: 16.0})
    stalled = Curve.of({100: 8.0, 200: 16.0, 300: 15.9, 400: 15.8, 500: 15.9, 600: 15.7})
    alone = Rivals([], [18.0, 18.0, 18.0])
    assert judged(stalled, alone).chance < judged(rising, alone).chance


def test_trials_that_jump_at_the_end_teach_to_wait_for_it() -> None:
    """A learning rate that cools down lifts every curve of a study at the same step."""
    flat = {step: 15.0 + step / 1000 for step in range(100, 1500, 100)}
    jumps = [Curve.of({**flat, 1500: 18.0 + rest, 1600: 20.0 + rest}) for rest in (0.0, 0.5, 1.0)]
    known = Rivals(jumps * 4, [curve.top for curve in jumps])
    same = Curve.of({step: bleu for step, bleu in flat.items() if step <= 1000})
    assert judged(same, known).chance > 0.3
    assert judged(same, dataclasses.replace(known, complete=[])).chance < 0.1


def short(top: float, until: int = 900) -> Curve:
    """A short training that warms up: each doubling of the steps adds more than the last one."""
    shares = dict(zip(range(100, 1000, 100), (15, 34, 62, 66, 82, 86, 92, 98, 100), strict=True))
    return Curve.of({step: top * part / 100 for step, part in shares.items() if step <= until})


def test_one_trial_that_rose_further_than_the_shapes_foretell_is_believed() -> None:
    best = Rivals([short(28.5)], [28.5])
    for until in (100, 200, 300):
        alike = judged(short(28.0, until), best, max_steps=900, num_trials=60)
        assert alike.likely == pytest.approx(28.0, rel=0.25)
        assert alike.chance > 0.2
        assert judged(short(15.0, until), best, max_steps=900, num_trials=60).chance < 0.1


def validated(*bleu: float) -> Curve:
    """A curve with a validation every hundred steps."""
    return Curve.of({100 * number: value for number, value in enumerate(bleu, 1)})


def test_the_incumbents_better_is_not_stopped_for_one_slow_validation() -> None:
    incumbent = [3.1, 10.4, 15.6, 16.8, 25.1, 25.2, 26.5, 29.6, 29.4]
    better = [2.3, 13.1, 14.6, 22.1, 25.6, 27.4, 29.3, 28.9, 31.0]
    rivals = Rivals([validated(*incumbent)], [29.6, 24.1, 0.3])
    for until in range(1, 9):
        told = judged(validated(*better[:until]), rivals, max_steps=900, num_trials=60)
        assert told.chance > 0.05, until
    far = judged(validated(1.1, 2.7), rivals, max_steps=900, num_trials=60)
    assert far.chance < 0.05


def test_trials_that_went_on_as_the_shapes_foretell_leave_them_their_weight() -> None:
    curve, alone = risen(18.0, 200), Rivals([], FIELD.tops)
    foretold = judged(curve, alone).likely
    slower = Rivals([risen(20.0, share=0.1)], FIELD.tops)
    assert judged(curve, slower).likely == pytest.approx(foretold, rel=0.05)


def test_more_noise_makes_a_trial_that_is_behind_less_certainly_lost() -> None:
    curve = risen(21.0, 1500)
    chances = [
        judged(curve, dataclasses.replace(FIELD, noise=noise)).chance for noise in (0.05, 0.5, 1.5)
    ]
    assert chances == sorted(chances)
    assert chances[0] < 0.05 < chances[-1]


def test_a_trial_that_has_not_taken_off_waits_as_long_as_others_took() -> None:
    late = {
        **dict.fromkeys(range(100, 800, 100), 0.1),
        **{s: s / 80 for s in range(800, 1700, 100)},
    }
    starters = [Curve.of(late) for _ in range(4)]
    rivals = Rivals(starters, [curve.top for curve in starters])
    waiting = Curve.of(dict.fromkeys(range(100, 500, 100), 0.1))
    early = Rivals([risen(20.0)] * 30, [20.0] * 3 + [19.0] * 27)
    assert judged(waiting, rivals).chance > 0.2
    assert judged(waiting, early).chance < 0.05


def test_the_words_hold_the_numbers_that_decide() -> None:
    found = judged(risen(12.0, 400), FIELD)
    words = found.words()
    for part in (
        f"{100 * found.chance:.1f} %",
        f"{found.bleu:.2f}",
        "step 400",
        *(f"{mark:.2f}" for mark in found.marks),
        "best 3",
        "4 others",
    ):
        assert part in words
    assert found.bleu <= found.likely <= found.hopeful
    assert found.marks == tuple(sorted(FIELD.tops)[:0:-1])
