"""The sampler of ``sampler: {kind: auto}``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from automl_tf.search.auto.acquisition import log_improvement
from automl_tf.search.auto.axes import Array, columns, coordinates
from automl_tf.search.auto.candidates import (
    Configuration,
    drawn,
    listed,
    neighbours,
    unseen,
    value_at,
)
from automl_tf.search.auto.history import (
    NOISE,
    Scored,
    earlier_studies,
    most_telling,
    scored,
)
from automl_tf.search.auto.models import ALONE, MODELS, Model
from automl_tf.search.auto.prior import USUAL_PAIRS, Well, expected, shipped_prior
from automl_tf.search.auto.process import Trials, believe
from automl_tf.search.auto.several import weighed

PROMISING = 10
"""Candidates around which neighbours are looked at."""
ROUNDS = 2
"""Times that neighbours of the most promising ones are looked at."""
MOST_DRAWS = 10
"""Times that candidates are drawn from all over a space until some are feasible."""
FIXED_PARAMS = "fixed_params"
"""Optuna's name for what a queued trial was given."""


class InformedSampler(BaseSampler):
    """Proposes the configuration that is expected to improve BLEU most.

    A Gaussian process over the whole space starts from the shipped prior and from earlier studies,
    and leaves both if the study's own trials speak against them. Trials that still run count with
    the score that is expected of them, so that workers try different things. What has been tried
    is not tried again while there is anything else.

    Args:
        space: The searched settings.
        seed: Seed of the draws.
        learn_from: Names of earlier studies to learn from; all of the storage if None.
        wells: The prior; the shipped one if None.
        models: How far prior and earlier studies may be trusted.
        choose_from: The configurations that may be proposed; all of the space if None.
        is_feasible: Tells which may be proposed as long as there are any; all if None.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        seed: int,
        learn_from: Sequence[str] | None = None,
        wells: Mapping[str, Well] | None = None,
        models: Sequence[Model] = MODELS,
        choose_from: Sequence[Configuration] | None = None,
        is_feasible: Callable[[Configuration], bool] | None = None,
    ) -> None:
        self._space = dict(space)
        self._rng = np.random.default_rng(seed)
        self._learn_from = learn_from
        self._wells = shipped_prior() if wells is None else wells
        self._models = models
        self._choose_from = choose_from
        self._is_feasible = is_feasible

    def reseed_rng(self) -> None:
        """Draws other numbers from here on."""
        self._rng = np.random.default_rng()

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 - Optuna's interface
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """The whole space, which is static."""
        return self._space

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002 - Optuna's interface
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,  # noqa: ARG002
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401 - any setting
        """A uniform draw for a setting that is not in the space."""
        return value_at(param_distribution, float(self._rng.random()))

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],  # noqa: ARG002 - our own
    ) -> Configuration:
        """The next configuration.

        Raises:
            UserError: If a study that it is to learn from does not exist.
        """
        others = [
            other for other in study.get_trials(deepcopy=False) if other.number != trial.number
        ]
        running = [other.params for other in others if other.state == TrialState.RUNNING]
        seen = [other.params for other in others if other.state != TrialState.WAITING]
        given = trial.system_attrs.get(FIXED_PARAMS, {})
        judge = self._judge(study, others)
        judge.expect([params for params in running if set(params) == set(self._space)])
        return self._best(judge, seen, {n: v for n, v in given.items() if n in self._space})

    def _judge(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> "_Judge":
        if len(study.directions) > 1:
            # Prior and earlier studies know of BLEU, not of what it is weighed against.
            own = most_telling(weighed(study, trials, self._rng))
            return _Judge(self._space, self._wells, ALONE, own, earlier=())
        earlier = earlier_studies(study, self._learn_from, needs=list(self._space))
        own = most_telling(scored(study, trials))
        return _Judge(self._space, self._wells, self._models, own, earlier)

    def _best(
        self, judge: "_Judge", seen: Sequence[Mapping[str, Any]], given: Mapping[str, Any]
    ) -> Configuration:
        """The most promising of the candidates that have not been tried."""
        all_there_is = self._choose_from or listed(self._space)
        first = self._first(all_there_is, given)
        candidates = unseen(first, seen)
        if not candidates:
            return first[int(self._rng.integers(len(first)))]
        # Equals are tried in no particular order.
        self._rng.shuffle(candidates)
        worth = judge.worth(candidates)
        if all_there_is:
            return candidates[int(worth.argmax())]
        for _ in range(ROUNDS):
            best = [candidates[index] for index in np.argsort(-worth)[:PROMISING]]
            moved = neighbours(best, self._space, self._rng)
            moved = self._feasible({**candidate, **given} for candidate in moved)
            candidates = [*best, *unseen(moved, [*seen, *best])]
            worth = judge.worth(candidates)
        return candidates[int(worth.argmax())]

    def _first(
        self, all_there_is: Sequence[Configuration] | None, given: Mapping[str, Any]
    ) -> list[Configuration]:
        """The candidates that are not neighbours of others: feasible ones, if any can be found."""
        completed: list[Configuration] = []
        for _ in range(1 if all_there_is else MOST_DRAWS):
            some = all_there_is or drawn(self._space, self._rng)
            completed = [{**candidate, **given} for candidate in some]
            feasible = self._feasible(completed)
            if feasible:
                return feasible
        return completed

    def _feasible(self, candidates: Iterable[Configuration]) -> list[Configuration]:
        if self._is_feasible is None:
            return list(candidates)
        return [candidate for candidate in candidates if self._is_feasible(candidate)]


class _Judge:
    """Judges configurations by all that is known.

    Args:
        space: The searched settings.
        wells: The prior.
        models: How far it may be trusted.
        own: The study's own trials.
        earlier: Those of earlier studies.
    """

    def __init__(
        self,
        space: Mapping[str, BaseDistribution],
        wells: Mapping[str, Well],
        models: Sequence[Model],
        own: Scored,
        earlier: Sequence[Scored],
    ) -> None:
        self._space = space
        self._wells = wells
        self._models = models
        self._study = own
        self._own = self._trials(own)
        self._earlier = [self._trials(study) for study in earlier]

    def expect(self, running: Sequence[Configuration]) -> None:
        """Takes for granted that trials which run will score as is expected of them."""
        if not running:
            return
        points_ND, expected_N = self._places(running, self._study)
        belief = believe(self._own, self._earlier, points_ND, expected_N, self._models)
        self._own = replace(
            self._own,
            points_ND=np.concatenate([self._own.points_ND, points_ND]),
            expected_N=np.concatenate([self._own.expected_N, expected_N]),
            scores_N=np.concatenate([self._own.scores_N, belief.mean()]),
            noise_N=np.concatenate([self._own.noise_N, np.full(len(running), NOISE)]),
        )

    def worth(self, candidates: Sequence[Configuration]) -> Array:
        """How much each candidate is worth trying."""
        points_CD, expected_C = self._places(candidates, self._study)
        return log_improvement(
            believe(self._own, self._earlier, points_CD, expected_C, self._models)
        )

    def _trials(self, study: Scored) -> Trials:
        points_ND, expected_N = self._places(study.configurations, study)
        pairs = study.num_pairs or USUAL_PAIRS
        return Trials(
            points_ND,
            expected_N,
            np.array(study.scores, dtype=float),
            np.array(study.noise, dtype=float),
            float(np.log10(pairs)),
        )

    def _places(
        self, configurations: Sequence[Mapping[str, Any]], study: Scored
    ) -> tuple[Array, Array]:
        """Coordinates and expectations of configurations of a study."""
        settings = columns(configurations, self._space, study.fixed)
        return coordinates(settings, self._space), expected(self._wells, settings, study.num_pairs)
