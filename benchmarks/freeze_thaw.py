"""A search by the freeze-thaw scheduler on a table of learning curves, with one worker."""

import functools
import statistics

import numpy as np

from automl_tf.search import scheduling
from automl_tf.search.pruners.curves import LearningCurve
from automl_tf.search.pruners.forecast import ReferenceCurves, TopKTarget, forecast
from automl_tf.search.samplers.acquisition import CostAwareLogEI
from automl_tf.search.samplers.gp import PRIOR_HYPOTHESES
from automl_tf.search.samplers.history import ScoredTrials
from automl_tf.search.samplers.priors import expected
from automl_tf.search.scheduling import BegunTrial, Candidate, Choice, Status, is_worthwhile
from replays import BUDGET, HORIZON, NEAR, TOP, Contest, Replay
from table_spaces import OwnRows

CHANCE = 0.05
"""Chance of ending among the best below which a trial is stopped, as with ``pruner: auto``."""


class FreezeThawSearch:
    """Trains the runs of a table slice by slice.

    It is built from the product's parts: the Gaussian process of the sampler ``auto``, the stopping
    rule of the pruner ``auto``, and the scheduler.

    Args:
        contest: The runs, and what is known of others.
        seed: Seed of the order in which equals are tried.

    Attributes:
        seen: Validations of each begun run, by row.
        stopped: Rows that will not go on.
        spent: Steps of all runs.
        choice: The scheduler's last choice; None before there was one.
    """

    def __init__(self, contest: Contest, seed: int) -> None:
        curves = contest.curves
        own = OwnRows(curves.table)
        self._rows, self._space, self._corpus = own.rows, own.space, curves.table.text
        self._order = np.random.default_rng(seed).permutation(len(own.rows)).tolist()
        self._curves = [sorted(curve.items()) for curve in curves.curves]
        self._longest, self._prior = curves.longest, functools.partial(expected, contest.wells)
        self._shapes, self._target = contest.shapes, TopKTarget(TOP, BUDGET)
        self._known: dict[int, LearningCurve] = {}
        self.seen: dict[int, int] = {}
        self.stopped: set[int] = set()
        self.spent = 0
        self.choice: Choice | None = None

    def is_complete(self, row: int) -> bool:
        """Returns whether a run was trained to its end."""
        return self.seen[row] == len(self._curves[row])

    def advance(self) -> int | None:
        """Trains the run that the scheduler chooses to its next validation.

        Returns:
            Its row; None if no run can go on.
        """
        row = self._chosen()
        if row is None:
            return None
        before = self._curves[row][self.seen[row] - 1][0] if row in self.seen else 0
        self.spent += self._curves[row][self.seen.get(row, 0)][0] - before
        self.seen[row] = self.seen.get(row, 0) + 1
        self._known[row] = LearningCurve.of(dict(self._curves[row][: self.seen[row]]))
        if not self.is_complete(row) and self._is_hopeless(row):
            self.stopped.add(row)
        return row

    def _chosen(self) -> int | None:
        trials = [self._trial(row) for row in self.seen]
        scores, noise = scheduling.observations(scheduling.final_scores(trials, self._shapes))
        told = ScoredTrials([self._rows[row] for row in self.seen], scores, noise, {}, self._corpus)
        sampler = CostAwareLogEI(
            self._space, self._prior, PRIOR_HYPOTHESES, told, sample=self._rows[:200]
        )
        options = scheduling.candidates(trials, validate_every=1)
        rows = [row for row in self.seen if self._status(row) == Status.PAUSED]
        fresh = [row for row in self._order if row not in self.seen]
        if fresh:
            value_C = sampler.evaluate([self._rows[row] for row in fresh])
            rows.append(fresh[int(value_C.argmax())])
            options.append(Candidate(None, 1.0, 1 / self._longest))
        if not self.seen:
            return rows[0]
        complete = [trial.curve.top for trial in trials if trial.status == Status.COMPLETE]
        if not rows:
            return None
        posterior = sampler.posterior([self._rows[row] for row in rows])
        self.choice = scheduling.choose(options, posterior, max(complete, default=None))
        if self.choice is None:
            return None
        return rows[-1] if self.choice.number is None else self.choice.number

    def _status(self, row: int) -> Status:
        if row in self.stopped:
            return Status.STOPPED
        return Status.COMPLETE if self.is_complete(row) else Status.PAUSED

    def _trial(self, row: int) -> BegunTrial:
        return BegunTrial(row, self._status(row), self._known[row], self._longest)

    def _is_hopeless(self, row: int) -> bool:
        others = [other for other in self.seen if other != row]
        if not others:
            return False
        references = ReferenceCurves(
            [self._known[other] for other in others if self.is_complete(other)],
            [self._known[other].top for other in others],
        )
        found = forecast(self._known[row], references, self._longest, self._target, self._shapes)
        return found.probability < CHANCE


def replay(contest: Contest, seed: int) -> Replay:
    """One search by the scheduler.

    A search that has stopped all that is near the best counts as if it had spent its whole horizon.
    """
    search = FreezeThawSearch(contest, seed)
    ends, full, found = contest.table.bleu, contest.curves.usual, None
    ended: tuple[float, float] | None = None
    best, best_at = 0.0, 0.0
    while (found is None and search.spent < HORIZON * full) or len(search.seen) < BUDGET:
        before = search.spent / full
        row = search.advance()
        if row is None:
            break
        if (
            search.choice
            and not ended
            and not is_worthwhile(search.choice, before, before - best_at)
        ):
            ended = best, before
        if search.is_complete(row):
            if ends[row] > best:
                best, best_at = float(ends[row]), search.spent / full
            if found is None and ends[row] >= ends.max() - NEAR - 1e-9:
                found = search.spent, len(search.seen)
    spent, trials = found or (HORIZON * full, len(search.seen))
    top = sorted(search.seen, key=lambda row: -ends[row])[:TOP]
    early, early_at = ended or (best, search.spent / full)
    return Replay(
        spent / full,
        trials,
        statistics.fmean(row in search.stopped for row in top),
        statistics.fmean(row not in search.stopped and not search.is_complete(row) for row in top),
        best - early,
        early_at * full / search.spent,
    )
