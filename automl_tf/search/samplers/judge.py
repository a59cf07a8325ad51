"""What is believed of configurations by all that is known: prior, earlier studies, own trials."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from automl_tf.search.samplers.acquisition import log_improvement
from automl_tf.search.samplers.axes import Array, Columns, columns, coordinates
from automl_tf.search.samplers.candidates import Configuration
from automl_tf.search.samplers.history import NOISE, Scored
from automl_tf.search.samplers.models import Model
from automl_tf.search.samplers.process import Belief, Trials, believe
from automl_tf.search.samplers.text import Text

THRIFT = 0.5
"""Power of a trial's effort by which the improvement it promises is divided: between one, which is
improvement by the second (Snoek et al. 2012, section 3.2) and stays with small models, and none.
Lee et al. (2020, "Cost-aware Bayesian Optimization") go from one to none while a budget is used up;
a constant lets an interrupted study propose what an uninterrupted one does."""

Effort = Callable[[Configuration], float]
"""What a trial of a configuration takes, in any unit."""
Prior = Callable[[Columns, Text], Array]
"""The expected scores of N settings, in standard deviations, with a training corpus."""


class Judge:
    """Judges configurations by all that is known.

    Args:
        space: The searched settings.
        prior: What is expected of settings, with a training corpus, before any trial.
        models: How far it may be trusted.
        own: The study's own trials.
        earlier: Those of earlier studies.
        effort: What a trial takes, if improvement for the effort is wanted rather than by trial.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        prior: Prior,
        models: Sequence[Model],
        own: Scored,
        earlier: Sequence[Scored],
        effort: Effort | None = None,
    ) -> None:
        self._space = space
        self._prior = prior
        self._models = models
        self._effort = effort
        self._study = own
        self._own = self._trials(own)
        self._earlier = [self._trials(study) for study in earlier]

    def expect(self, running: Sequence[Configuration]) -> Array:
        """Takes for granted that trials which run will score as is expected of them.

        Returns:
            The expected scores.
        """
        if not running:
            return np.zeros(0)
        points_ND, expected_N = self._places(running, self._study)
        belief = believe(self._own, self._earlier, points_ND, expected_N, self._models)
        self._own = replace(
            self._own,
            points_ND=np.concatenate([self._own.points_ND, points_ND]),
            expected_N=np.concatenate([self._own.expected_N, expected_N]),
            scores_N=np.concatenate([self._own.scores_N, belief.mean()]),
            noise_N=np.concatenate([self._own.noise_N, np.full(len(running), NOISE)]),
        )
        return belief.mean()

    def belief(self, candidates: Sequence[Configuration]) -> Belief:
        """What is believed of the candidates' scores."""
        points_CD, expected_C = self._places(candidates, self._study)
        return believe(self._own, self._earlier, points_CD, expected_C, self._models)

    def worth(self, candidates: Sequence[Configuration]) -> Array:
        """How much each candidate is worth trying.

        The first trial is the one of which most is expected, whatever its effort.
        """
        worth_C = log_improvement(self.belief(candidates))
        if self._effort is None or not len(self._own):
            return worth_C
        effort_C = np.array([self._effort(candidate) for candidate in candidates])
        thrifty_C: Array = worth_C - THRIFT * np.log(effort_C)
        return thrifty_C

    def _trials(self, study: Scored) -> Trials:
        points_ND, expected_N = self._places(study.configurations, study)
        return Trials(
            points_ND,
            expected_N,
            np.array(study.scores, dtype=float),
            np.array(study.noise, dtype=float),
            study.text.decades,
        )

    def _places(
        self, configurations: Sequence[Mapping[str, Any]], study: Scored
    ) -> tuple[Array, Array]:
        """Coordinates and expectations of configurations of a study."""
        settings = columns(configurations, self._space, study.fixed)
        return coordinates(settings, self._space), self._prior(settings, study.text)
