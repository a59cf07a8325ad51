"""What a search on learning curves is given and what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from automl_tf.search.pruners.curves import CurvePrior
from automl_tf.search.samplers.priors import Optimum
from hpo_curves import CurveTable
from hpo_tables import HpoTable

NEAR = 0.5
"""BLEU below the table's best that counts as found."""
HORIZON = 100
"""Trials after which a replay ends; a search that has not found by then counts what it spent."""
BUDGET = 20
"""Trials that a study has been given, and that every replay has at least."""
TOP = 3
"""Trials, the best to their ends, that no pruner should have stopped."""


@dataclass(frozen=True)
class Replay:
    """One search on one table.

    Attributes:
        cost: Full trainings until one was trained to its end near the best.
        trials: Trials until then.
        false_stops: Share of its eventual top three that was stopped.
        paused: Share of them that could have gone on when the replay ended.
        lost: BLEU that it would have lost by ending when more was not worth it.
        share: Share of its cost that it would have spent then.
    """

    cost: float
    trials: int
    false_stops: float
    paused: float = 0.0
    lost: float = 0.0
    share: float = 1.0


@dataclass(frozen=True)
class Contest:
    """Curves to be replayed and what may be known of others.

    Attributes:
        curves: The runs.
        wells: The sampler's prior, derived from other corpora.
        shapes: The pruner's prior, likewise.
    """

    curves: CurveTable
    wells: Mapping[str, Optimum]
    shapes: CurvePrior

    @property
    def table(self) -> HpoTable:
        """The configurations."""
        return self.curves.table
