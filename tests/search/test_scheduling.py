"""The freeze-thaw scheduler: options, their indices, and the budget."""

import itertools

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.search import scheduling
from automl_tf.search.pruners.curves import LearningCurve, shipped_curve_prior
from automl_tf.search.samplers import history
from automl_tf.search.samplers.gp import MixturePosterior
from automl_tf.search.scheduling import BegunTrial, Candidate, Choice, Status, choose, gittins_index

PRIOR = shipped_curve_prior()


def risen(top: float, until: int = 1600) -> LearningCurve:
    """A curve that rises by a fixed share less with each doubling of its steps."""
    return LearningCurve.of(
        {step: top * (1 - 0.6 * (step / 100) ** -0.5) for step in range(100, until + 1, 100)}
    )


def begun(number: int, status: Status, top: float, until: int, cost: float = 1.0) -> BegunTrial:
    return BegunTrial(number, status, risen(top, until), 1600, cost)


def normal(means: list[float], spreads: list[float]) -> MixturePosterior:
    return MixturePosterior(np.ones(1), [np.array(means)], [np.array(spreads)], max(means))


def mixture(seed: int, size: int) -> MixturePosterior:
    rng = np.random.default_rng(seed)
    return MixturePosterior(
        rng.dirichlet(np.ones(3)),
        list(rng.normal(25, 3, (3, size))),
        list(rng.uniform(0.2, 3, (3, size))),
        28.0,
    )


def paused(number: int, cost: float) -> Candidate:
    return Candidate(number, cost, min(cost, 0.1))


NEW = Candidate(None, 1.0, 0.1)


def chosen(*args: object, **kwargs: object) -> Choice:
    found = choose(*args, **kwargs)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("seed", range(5))
def test_on_its_index_the_expected_improvement_of_an_option_is_its_price(seed: int) -> None:
    posterior = mixture(seed, 6)
    price_C = np.random.default_rng(seed).uniform(0.01, 3.0, 6)
    top_C = np.random.default_rng(seed + 1).uniform(0.0, 28.0, 6)
    index_C = gittins_index(posterior, price_C, top_C)
    rng = np.random.default_rng(0)
    for place in range(6):
        kind_N = rng.choice(3, 200_000, p=posterior.weights)
        means, spreads = np.array(posterior.means), np.array(posterior.spreads)
        draw_N = rng.normal(means[kind_N, place], spreads[kind_N, place])
        improvement = np.maximum(np.maximum(draw_N, top_C[place]) - index_C[place], 0).mean()
        assert improvement == pytest.approx(price_C[place], abs=0.03)
    assert (gittins_index(posterior, 2 * price_C, top_C) < index_C).all()


def test_what_a_trial_has_already_counts_whatever_the_model_says() -> None:
    options = [Candidate(1, 0.9, 0.1, top=29.0), paused(2, 0.9), NEW]
    found = chosen(options, normal([22.0, 24.0, 25.0], [1.0, 1.0, 1.0]), best=24.0)
    assert found.number == 1
    assert found.expected_gain == pytest.approx(5.0)


def test_more_likely_cheaper_and_less_certain_options_are_preferred() -> None:
    alike = [paused(3, 0.5), paused(4, 0.5)]
    assert chosen(alike, normal([25.0, 25.5], [1.0, 1.0]), best=24.0).number == 4
    assert chosen(alike, normal([25.0, 25.0], [1.0, 2.0]), best=27.0).number == 4
    dear = [paused(3, 0.9), paused(4, 0.2)]
    assert chosen(dear, normal([25.0, 25.0], [1.0, 1.0]), best=24.0).number == 4
    # Equals go on in the order in which they were begun.
    assert chosen(alike, normal([25.0, 25.0], [1.0, 1.0]), best=24.0).number == 3


def test_a_new_trial_is_begun_when_the_paused_ones_have_little_to_add() -> None:
    options = [paused(1, 0.5), NEW]
    hopeless = chosen(options, normal([20.0, 24.0], [0.3, 2.0]), best=25.0)
    assert hopeless.number is None
    assert "a new trial" in hopeless.reason
    promising = chosen(options, normal([27.0, 24.0], [0.3, 2.0]), best=25.0)
    assert promising.number == 1
    assert promising.expected_gain == pytest.approx(2.0, abs=0.01)
    assert promising.expected_cost == 0.5
    assert "27.00" in promising.reason


def test_the_rate_is_what_a_full_training_adds_and_falls_with_what_is_left() -> None:
    rates = [
        chosen([NEW], normal([24.0], [1.0]), best=best).rate for best in (23.0, 25.0, 26.0, 40.0)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == scheduling.FIRST_RATE
    assert rates[-1] == 0.0


def test_a_search_goes_on_while_more_is_worth_it() -> None:
    poor, rich = Choice(1, 0.02, 0.5, 0.0, ""), Choice(1, 0.03, 0.5, 0.0, "")
    assert scheduling.is_worthwhile(rich, spent=9.0, since_best=5.0)
    assert not scheduling.is_worthwhile(poor, spent=9.0, since_best=5.0)
    # With little seen, the model is not believed; after an improvement it is asked again.
    assert scheduling.is_worthwhile(poor, spent=3.9, since_best=3.0)
    assert scheduling.is_worthwhile(poor, spent=9.0, since_best=0.9)


def test_without_options_there_is_nothing_to_do() -> None:
    assert choose([], normal([0.0], [1.0])) is None
    assert choose([NEW], normal([20.0], [1.0]), budget=0.5) is None


@pytest.mark.parametrize("seed", range(40))
def test_a_budget_always_leaves_time_to_finish_the_leader(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 6))
    options = [paused(number, float(rng.uniform(0.05, 1.0))) for number in range(size)] + [NEW]
    posterior = mixture(seed, size + 1)
    budget, best = float(rng.uniform(0.1, 2.5)), float(rng.choice([20.0, 26.0]))
    mean_C = scheduling.expected_improvement(posterior, np.zeros(size + 1), np.zeros(size + 1))
    leader = max(range(size), key=lambda place: mean_C[place])
    found = choose(options, posterior, best, budget)
    if found is None:
        assert mean_C[leader] <= best
        return
    place = size if found.number is None else found.number
    if mean_C[leader] > best and options[leader].cost <= budget and place != leader:
        assert options[place].slice_cost + options[leader].cost <= budget
    if place != leader:
        assert options[place].cost <= budget
    assert found == choose(options, posterior, best, budget)


def test_a_search_with_a_budget_ends_with_its_leader_trained() -> None:
    """Each slice costs a tenth of a full training; the best of the begun trials is finished."""
    ends, done, budget = [24.0, 26.0, 25.0, 27.0], {}, 2.5
    while budget > 1e-9:
        waiting = [number for number in done if done[number] < 10]
        options = [Candidate(n, 1 - done[n] / 10, 0.1) for n in waiting]
        means, spreads = [ends[n] for n in waiting], [2 - 0.19 * done[n] for n in waiting]
        if len(done) < len(ends):
            options, means, spreads = [*options, NEW], [*means, 25.0], [*spreads, 2.0]
        complete = [ends[number] for number in done if done[number] == 10]
        if not options:
            break
        choice = choose(options, normal(means, spreads), max(complete, default=None), budget)
        if choice is None:
            break
        number = len(done) if choice.number is None else choice.number
        done[number] = done.get(number, 0) + 1
        budget -= 0.1
    complete = [number for number in done if done[number] == 10]
    assert complete
    assert max(ends[number] for number in complete) == max(ends[number] for number in done)


def test_nothing_is_kept_for_a_leader_that_another_worker_trains() -> None:
    options, posterior = [paused(1, 0.9), paused(2, 0.3)], normal([26.0, 25.5], [0.1, 3.0])
    assert chosen(options, posterior, best=27.0, budget=1.0).number == 2
    assert chosen(options, posterior, best=25.0, budget=0.95).number == 1
    assert chosen(options, posterior, best=25.0, budget=0.95, best_running=28.0).number == 2


def test_only_paused_trials_are_candidates_and_cost_what_is_left_of_them() -> None:
    trials = [begun(number, status, 20.0, 400, cost=2.0) for number, status in enumerate(Status)]
    (one,) = scheduling.candidates(trials, validate_every=100)
    assert trials[one.number or 0].status == Status.PAUSED
    assert one.cost == pytest.approx(2.0 * 0.75)
    assert one.slice_cost == pytest.approx(2.0 / 16)


def test_final_scores_are_surer_the_more_of_a_curve_was_seen() -> None:
    trials = [begun(0, Status.COMPLETE, 24.0, 1600)] + [
        begun(number, Status.PAUSED, 24.0, until)
        for number, until in enumerate((100, 400, 1200), 1)
    ]
    finals = scheduling.final_scores(trials, PRIOR)
    assert finals[0].median == finals[0].p95 == trials[0].curve.top
    widths = [final.p95 - final.median for final in finals[1:]]
    assert widths == sorted(widths, reverse=True)
    for final, trial in itertools.islice(zip(finals, trials, strict=True), 1, None):
        assert final.median >= trial.curve.top
    scores, noise = scheduling.observations(finals)
    assert scores[0] <= max(scores)
    assert noise[0] == history.NOISE
    assert noise[1] > noise[3] >= history.GUESS_NOISE > noise[0]
    assert scheduling.observations([]) == ([], [])


def test_observations_of_complete_trials_are_those_of_the_sampler() -> None:
    study = optuna.create_study(direction="maximize")
    for top in (10.0, 20.0, 24.0):
        study.tell(study.ask(), top)
    told = history.scored_trials(study, study.get_trials(states=(TrialState.COMPLETE,)))
    finals = [scheduling.FinalScore(top, top) for top in (10.0, 20.0, 24.0)]
    scores, noise = scheduling.observations(finals)
    assert scores == pytest.approx(list(told.scores))
    assert noise == list(told.noise)
