"""The sampler's promises, kept in whole searches of made-up landscapes."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from automl_tf.search.samplers.gp import NO_PRIOR, PRIOR_HYPOTHESES, PriorHypothesis
from automl_tf.search.samplers.prior_gp import PriorGPSampler, enumerate_space
from automl_tf.search.samplers.priors import CorpusInfo, Optimum, columns, expected, shipped_prior
from automl_tf.search.schema import NUM_PAIRS

SPACE: dict[str, BaseDistribution] = {
    "model.d_model": CategoricalDistribution((64, 128, 256, 512)),
    "model.encoder_layers": IntDistribution(1, 6),
    "model.dropout": FloatDistribution(0.0, 0.4, step=0.1),
    "training.learning_rate": CategoricalDistribution((3e-4, 1e-3, 3e-3)),
}
CONTINUOUS: dict[str, BaseDistribution] = {
    **SPACE,
    "model.norm": CategoricalDistribution(("pre", "post")),
    "training.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
}
TINY: dict[str, BaseDistribution] = {
    "model.d_model": CategoricalDistribution((64, 128)),
    "model.encoder_layers": IntDistribution(1, 3),
}
PAIRS = 30_000
Wells = Mapping[str, Optimum]
PRIOR = shipped_prior()


def bleu(configurations: Sequence[Mapping[str, object]], seed: int = 0) -> list[float]:
    """A landscape like the prior's, moved and dented as a corpus of its own would be."""
    draw = np.random.default_rng(seed)
    optima = {
        name: replace(optimum, best=optimum.best * 2 ** draw.normal(scale=0.3))
        for name, optimum in PRIOR.items()
    }
    settings = columns(configurations, SPACE, {})
    dents = [np.sin(draw.normal(scale=3) + np.log(settings[name] + 1) * 3) for name in SPACE]
    return list(
        25 + 1.5 * expected(optima, settings, CorpusInfo(PAIRS)) + 0.2 * np.sum(dents, axis=0)
    )


def new_study(directions: Sequence[str] = ("maximize",)) -> optuna.Study:
    study = optuna.create_study(directions=directions)
    study.set_user_attr(NUM_PAIRS, PAIRS)
    return study


def search(
    count: int,
    seed: int = 0,
    space: Mapping[str, BaseDistribution] = SPACE,
    optima: Wells = PRIOR,
    models: Sequence[PriorHypothesis] = PRIOR_HYPOTHESES,
) -> list[dict]:
    study = new_study()
    for number in range(count):
        study.sampler = PriorGPSampler(space, 1000 * seed + number, (), optima, models)
        trial = study.ask(dict(space))
        study.tell(trial, bleu([trial.params], seed)[0])
    return [trial.params for trial in study.trials]


def until_near(
    seed: int, optima: Wells = PRIOR, models: Sequence[PriorHypothesis] = PRIOR_HYPOTHESES
) -> int:
    """Trials until within half a BLEU of the best."""
    everything = enumerate_space(SPACE)
    assert everything is not None
    best, most = max(bleu(everything, seed)), 40
    found = bleu(search(most, seed, optima=optima, models=models), seed)
    return next((n for n, score in enumerate(found, 1) if score > best - 0.5), most)


def upside_down() -> Wells:
    return {
        name: replace(optimum, loss_below=-optimum.loss_below, loss_above=-optimum.loss_above)
        for name, optimum in PRIOR.items()
    }


def elsewhere() -> Wells:
    """Small models are praised for the smallest values, and the reverse."""
    return {
        name: replace(optimum, best=optimum.best * 2.0 ** (3 if index % 2 else -3))
        for index, (name, optimum) in enumerate(shipped_prior().items())
    }


@pytest.mark.slow
def test_the_prior_saves_trials_and_one_that_misleads_costs_few() -> None:
    seeds = range(12)
    alone = statistics.fmean(until_near(seed, models=NO_PRIOR) for seed in seeds)
    informed = statistics.fmean(until_near(seed) for seed in seeds)
    assert informed < alone
    for optima in (upside_down(), elsewhere()):
        misled = statistics.fmean(until_near(seed, optima) for seed in seeds)
        assert misled <= 1.3 * alone


def test_nothing_is_tried_twice_while_there_is_anything_else() -> None:
    everything = enumerate_space(TINY)
    assert everything is not None
    params = search(len(everything) + 3, space=TINY)
    first = [tuple(point.items()) for point in params[: len(everything)]]
    assert len(set(first)) == len(everything)
    for point in params[len(everything) :]:
        assert point in everything


@pytest.mark.parametrize("space", [SPACE, CONTINUOUS], ids=["listed", "continuous"])
def test_a_seed_repeats_and_proposals_lie_in_the_space(
    space: dict[str, BaseDistribution],
) -> None:
    params = search(6, space=space)
    assert search(6, space=space) == params
    for point in params:
        for name, distribution in space.items():
            assert distribution._contains(distribution.to_internal_repr(point[name]))
    assert len({tuple(point.items()) for point in params}) == 6


@pytest.mark.parametrize("finished", [0, 1, 5])
def test_trials_that_run_keep_others_away(finished: int) -> None:
    study = new_study()
    for number in range(finished + 6):
        # Workers of one study that ask at the same moment may even share their seed.
        study.sampler = PriorGPSampler(SPACE, seed=3, learn_from=())
        trial = study.ask(dict(SPACE))
        if number < finished:
            study.tell(trial, bleu([trial.params])[0])
    running = [tuple(t.params.items()) for t in study.trials if t.state == TrialState.RUNNING]
    assert len(set(running)) == 6
    spread = [len({params[axis] for params in running}) for axis in range(len(SPACE))]
    assert sum(spread) > len(SPACE)


def test_a_queued_trial_keeps_what_it_was_given_and_gets_the_rest() -> None:
    study = new_study()
    study.enqueue_trial({"model.d_model": 64, "model.encoder_layers": 6})
    study.sampler = PriorGPSampler(SPACE, 1, ())
    trial = study.ask(dict(SPACE))
    assert set(trial.params) == set(SPACE)
    assert (trial.params["model.d_model"], trial.params["model.encoder_layers"]) == (64, 6)


def test_earlier_studies_say_where_to_begin() -> None:
    """They say so for what the prior knows nothing of."""
    space: dict[str, BaseDistribution] = {
        "training.clip_norm": FloatDistribution(0.0, 10.0, step=0.5),
        "training.weight_decay": FloatDistribution(0.0, 0.5, step=0.05),
    }

    def score(params: Mapping[str, float], level: float) -> float:
        off = (params["training.clip_norm"] - 8) / 10, params["training.weight_decay"] - 0.1
        return level - 20 * (off[0] ** 2 + off[1] ** 2)

    study = new_study()
    earlier = optuna.create_study(
        direction="maximize",
        storage=study._storage,
        study_name="earlier",
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
    earlier.set_user_attr(NUM_PAIRS, PAIRS)
    for _ in range(40):
        trial = earlier.ask(dict(space))
        earlier.tell(trial, score(trial.params, level=12.0))
    found = {}
    for name, names in [("alone", ()), ("taught", ("earlier",)), ("of all", None)]:
        study.sampler = PriorGPSampler(space, 5, names)
        found[name] = score(study.ask(dict(space)).params, level=30.0)
    # The one that asks last is kept away from what the one before it tries.
    assert found["taught"] > 28
    assert found["of all"] > 28
    assert found["taught"] > found["alone"]


def test_several_objectives_give_a_front_from_end_to_end() -> None:
    study = new_study(("maximize", "minimize"))
    for number in range(25):
        study.sampler = PriorGPSampler(SPACE, number, ())
        trial = study.ask(dict(SPACE))
        width = trial.params["model.d_model"] * trial.params["model.encoder_layers"]
        study.tell(trial, [bleu([trial.params])[0], width])
    front = {tuple(trial.values) for trial in study.best_trials}
    assert len(front) >= 3
    assert min(values[1] for values in front) <= 128
    everything = enumerate_space(SPACE)
    assert everything is not None
    assert max(values[0] for values in front) > max(bleu(everything)) - 1.5
