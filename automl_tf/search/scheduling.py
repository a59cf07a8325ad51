"""Freeze-thaw scheduling: which trial gets the next slice of a free worker's time.

To continue a paused trial and to begin a new one are options of one kind: each has a distribution
of its final BLEU and a cost to its end. Both come from the Gaussian process over settings, in which
every begun trial counts with the final BLEU that its curve foretells, and with the uncertainty of
that as noise (Swersky et al. 2014, "Freeze-Thaw Bayesian Optimization"). An option's Gittins index
is the BLEU on which its expected improvement equals the price of its cost: opening options in the
order of their indices is optimal where they are independent and cost is paid at a fixed rate
(Weitzman 1979, "Optimal Search for the Best Alternative"; Xie et al. 2024, "Cost-aware Bayesian
Optimization via the Pandora's Box Gittins Index"). After each slice the question is asked anew, so
that an option is dropped as soon as another one has become better.

The rate, what a full training has to add, begins high and is halved until an option is worth its
cost. It is found anew at each choice: a choice depends on nothing but its arguments. Costs are in
full trainings. Shape letters: C candidates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from automl_tf.search.pruners.curves import Array, CurvePrior, LearningCurve
from automl_tf.search.pruners.extrapolation import Extrapolation, final_bleu
from automl_tf.search.pruners.forecast import UPPER_SHARE
from automl_tf.search.samplers import history
from automl_tf.search.samplers.acquisition import normal_improvement
from automl_tf.search.samplers.gp import USUAL_SCALE, MixturePosterior

FIRST_RATE = 0.5
"""BLEU that a full training has to add at first."""
LEAST_RATE = 0.02
"""BLEU below which no rate is asked: the best option is taken, whatever it is worth."""
WORTH = 0.05
"""BLEU that a full training has to add, on average, for a search without a limit to go on."""
LEAST_SPENT = 4.0
"""Full trainings that such a search spends at least: by fewer its Gaussian process is misled."""
PATIENCE = 1.0
"""Full trainings after the last improvement that it spends at least."""
BISECTIONS = 40
REACH = 8.0
"""Standard deviations about the mean between which an index lies, at no cost."""


class Status(Enum):
    """What a begun trial does."""

    COMPLETE = "complete"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, eq=False)
class BegunTrial:
    """A trial that has been validated at least once.

    Attributes:
        number: Its number.
        status: What it does.
        curve: Its learning curve, on the level of the whole validation split.
        max_steps: Optimizer steps of its full training.
        full_cost: What its full training costs, in those of an average configuration.
    """

    number: int
    status: Status
    curve: LearningCurve
    max_steps: int
    full_cost: float = 1.0

    @property
    def remaining_cost(self) -> float:
        """Returns what the rest of its training costs."""
        return self.full_cost * max(0.0, 1 - self.curve.last / self.max_steps)


@dataclass(frozen=True)
class FinalScore:
    """What is known of a trial's final BLEU.

    Attributes:
        median: Its median; the BLEU itself of a complete trial.
        p95: Its 95th percentile; the same of a complete trial.
    """

    median: float
    p95: float


def final_scores(trials: Sequence[BegunTrial], prior: CurvePrior) -> list[FinalScore]:
    """Returns what is known of the final BLEU of each trial.

    Args:
        trials: All begun trials of the study.
        prior: How curves go on in general.
    """
    complete = [trial.curve for trial in trials if trial.status == Status.COMPLETE]
    return [final_score(trial, complete, prior) for trial in trials]


def final_score(
    trial: BegunTrial, complete: Sequence[LearningCurve], prior: CurvePrior
) -> FinalScore:
    """Returns what is known of the final BLEU of one trial.

    Args:
        trial: The trial.
        complete: Curves of the study's complete trials.
        prior: How curves go on in general.
    """
    if trial.status == Status.COMPLETE:
        return FinalScore(trial.curve.top, trial.curve.top)
    end: Extrapolation = final_bleu(trial.curve, complete, trial.max_steps, prior)
    return FinalScore(end.quantile(0.5), end.quantile(UPPER_SHARE))


def observations(finals: Sequence[FinalScore]) -> tuple[list[float], list[float]]:
    """Returns scores and noise of trials as the sampler's Gaussian process takes them.

    Args:
        finals: What is known of each trial's final BLEU.
    """
    if not finals:
        return [], []
    median_N = np.array([final.median for final in finals])
    spread_N = np.array([final.p95 - final.median for final in finals]) / history.P95_DEVIATIONS
    guess_N = np.maximum(history.GUESS_NOISE, (spread_N / USUAL_SCALE) ** 2)
    noise_N = np.where(spread_N > 0, guess_N, history.NOISE)
    return history.compress(median_N, float(median_N.max())).tolist(), noise_N.tolist()


@dataclass(frozen=True)
class Candidate:
    """What a free worker may do: continue a paused trial, or begin a new one.

    Attributes:
        number: Number of the paused trial; None to begin the configuration that the sampler
            proposes.
        cost: What it costs to its end.
        slice_cost: What it costs to its next validation.
        top: The BLEU that it has already: it cannot end below.
    """

    number: int | None
    cost: float
    slice_cost: float
    top: float = 0.0


def candidates(trials: Iterable[BegunTrial], validate_every: int) -> list[Candidate]:
    """Returns the paused trials as candidates, in their order.

    Args:
        trials: The begun trials.
        validate_every: Optimizer steps between validations.
    """
    return [
        Candidate(
            trial.number,
            trial.remaining_cost,
            min(trial.remaining_cost, trial.full_cost * validate_every / trial.max_steps),
            trial.curve.top,
        )
        for trial in trials
        if trial.status == Status.PAUSED
    ]


@dataclass(frozen=True)
class Choice:
    """What a free worker does next.

    Attributes:
        number: Number of the trial to continue; None to begin a new one.
        expected_gain: Expected improvement on the best complete trial, in BLEU; of the expected
            BLEU on zero before there is one.
        expected_cost: What the trial costs to its end, in full trainings.
        rate: BLEU for a full training at which it is worth its cost; zero if at none.
        reason: Why, with the numbers that decide.
    """

    number: int | None
    expected_gain: float
    expected_cost: float
    rate: float
    reason: str


def choose(
    options: Sequence[Candidate],
    posterior: MixturePosterior,
    best: float | None = None,
    budget: float | None = None,
    best_running: float | None = None,
) -> Choice | None:
    """Returns what to do next; None if there is nothing.

    Time is kept to finish the leader, which is the paused trial of the highest expected BLEU, if it
    is to exceed the best complete trial and those that other workers train. What cannot be
    finished is not begun. When nothing can be finished any more, the leader goes on.

    Args:
        options: What the worker may do.
        posterior: Distributions of the final BLEU of each, in the same order.
        best: BLEU of the best complete trial.
        budget: What the worker can still spend, in full trainings.
        best_running: Highest expected final BLEU among the running trials of other workers.
    """
    if not options:
        return None
    top_C = np.array([option.top for option in options])
    mean_C = expected_improvement(posterior, np.zeros(len(options)), top_C)
    leader = _leader(options, mean_C, max(best or 0.0, best_running or 0.0))
    allowed = _affordable(options, leader, budget)
    if not allowed:
        if leader is None:
            return None
        return _choice(leader, options, posterior, best, 0.0, "time is over for all but the leader")
    if leader is not None and allowed == [leader] and len(options) > 1:
        return _choice(leader, options, posterior, best, 0.0, "time is kept to finish the leader")
    cost_C = np.array([option.cost for option in options])
    rate = FIRST_RATE
    while True:
        index_C = gittins_index(posterior, rate * cost_C, top_C)
        place = max(allowed, key=lambda candidate: (index_C[candidate], -candidate))
        if best is None or index_C[place] > best:
            break
        if rate <= LEAST_RATE:
            rate = 0.0
            break
        rate /= 2
    return _choice(place, options, posterior, best, rate, f"index {index_C[place]:.2f}")


def is_worthwhile(choice: Choice, spent: float, since_best: float) -> bool:
    """Returns whether a search that ends when more is not worth it goes on with a choice.

    Args:
        choice: What would be done next.
        spent: What the search has cost so far, in full trainings.
        since_best: How much of that after its best trial was complete.
    """
    if spent < LEAST_SPENT or since_best < PATIENCE:
        return True
    return choice.expected_gain >= WORTH * choice.expected_cost


def _leader(options: Sequence[Candidate], mean_C: Array, above: float) -> int | None:
    """Returns the place of the paused trial of the highest expected BLEU above a mark, if any."""
    paused = [
        place
        for place, option in enumerate(options)
        if option.number is not None and mean_C[place] > above
    ]
    return max(paused, key=lambda place: (mean_C[place], -place), default=None)


def _affordable(
    options: Sequence[Candidate], leader: int | None, budget: float | None
) -> list[int]:
    """Returns the places of the options that leave time to finish them and the leader."""
    if budget is None:
        return list(range(len(options)))
    kept = 0.0 if leader is None or options[leader].cost > budget else options[leader].cost
    return [
        place
        for place, option in enumerate(options)
        if option.cost <= budget and (place == leader or option.slice_cost + kept <= budget)
    ]


def _choice(
    place: int,
    options: Sequence[Candidate],
    posterior: MixturePosterior,
    best: float | None,
    rate: float,
    why: str,
) -> Choice:
    option = options[place]
    top_C = np.array([one.top for one in options])
    mean_C, gain_C = (
        expected_improvement(posterior, np.full(len(options), over), top_C)
        for over in (0.0, best or 0.0)
    )
    gain = float(gain_C[place])
    what = "a new trial" if option.number is None else f"trial {option.number}"
    over = "" if best is None else f", {gain:.2f} above the best on average"
    return Choice(
        number=option.number,
        expected_gain=gain,
        expected_cost=option.cost,
        rate=rate,
        reason=f"{what} is expected to end at BLEU {mean_C[place]:.2f}{over}, for "
        f"{option.cost:.2f} full trainings ({why} of {len(options)} options)",
    )


def expected_improvement(posterior: MixturePosterior, bleu_C: Array, top_C: Array) -> Array:
    """Returns the expected improvement of each candidate on a BLEU of its own.

    Args:
        posterior: Distributions of the candidates' final BLEU.
        bleu_C: What each is to improve on.
        top_C: The BLEU that each has already: it ends with that at least.
    """
    over_C = np.maximum(bleu_C, top_C)
    total_C = over_C - bleu_C
    for weight, mean_C, spread_C in posterior:
        total_C += weight * spread_C * normal_improvement((mean_C - over_C) / spread_C)
    return total_C


def gittins_index(posterior: MixturePosterior, price_C: Array, top_C: Array) -> Array:
    """Returns the BLEU on which the expected improvement of each candidate equals its price.

    Args:
        posterior: Distributions of the candidates' final BLEU.
        price_C: What each costs, in BLEU; not negative.
        top_C: The BLEU that each has already.
    """
    means, spreads = np.stack(posterior.means), np.stack(posterior.spreads)
    low_C = (means - REACH * spreads).min(axis=0) - price_C
    high_C = np.maximum((means + REACH * spreads).max(axis=0), top_C)
    for _ in range(BISECTIONS):
        middle_C = (low_C + high_C) / 2
        is_cheap_C = expected_improvement(posterior, middle_C, top_C) > price_C
        low_C = np.where(is_cheap_C, middle_C, low_C)
        high_C = np.where(is_cheap_C, high_C, middle_C)
    index_C: Array = (low_C + high_C) / 2
    return index_C
