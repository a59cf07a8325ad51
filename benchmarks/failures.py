"""Trials that fail in a search where part of the space cannot be trained.

    python benchmarks/failures.py
    python benchmarks/failures.py --samplers auto --seeds 3

The space is ``search_spaces/small.yaml``; no model is trained. A trial diverges where the product
of learning rate and width is above a limit, or runs out of memory above a number of weights. Any
other trial tells a BLEU that is best close to the limit. "base": the search begins with the paper's
base model, which can be trained. "base fails": it cannot, so that nothing is complete at first.
"nothing complete": the sampler proposes the first trial too.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from automl_tf.config.space import read_space
from automl_tf.config.study import Study, StudyConfig
from automl_tf.search.opening import baseline_params
from automl_tf.search.samplers.build import distribution
from automl_tf.search.samplers.prior_gp import PriorGPSampler
from automl_tf.search.schema import FAILURE, FailureKind, trial_seed
from reporting import Table, new_plot, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PATH = Path(__file__).parents[1] / "search_spaces" / "small.yaml"
DOMAINS = read_space(PATH)[0]
SPACE = {name: distribution(domain) for name, domain in DOMAINS.domains.items()}
RATE, WIDTH = "training.learning_rate", "model.d_model"
TRIALS = 30
NOISE = 0.3
"""Standard deviation of BLEU over training seeds."""
WORST = 0.0
"""BLEU of a failed trial where failures count as the worst score."""
Params = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """A space of which a part cannot be trained.

    Attributes:
        cause: Cause of the failures.
        cost: What is limited.
        limit: Its limit.
        starts_with_base: Whether the paper's base model is the first trial.
    """

    cause: FailureKind
    cost: Callable[[Params], float]
    limit: float
    starts_with_base: bool = True

    def fails(self, params: Params) -> bool:
        """Returns whether a configuration cannot be trained."""
        return self.cost(params) > self.limit

    def bleu(self, params: Params) -> float:
        """Returns the BLEU of a configuration that can be trained: the closer, the better."""
        dropout, vocab = params["model.dropout"], params["data.vocab_size"]
        best = 30.0 - 15 * abs(dropout - 0.2) - abs(math.log2(vocab / 4000))
        return float(best + 2 * math.log2(self.cost(params) / self.limit))


def product(params: Params) -> float:
    """Returns the product of learning rate and width."""
    return float(params[RATE] * params[WIDTH])


def weights(params: Params) -> float:
    """Returns the number of weights of a model's matrices."""
    width, inner = params[WIDTH], params["model.d_ff"]
    encoder = params["model.encoder_layers"] * (4 * width**2 + 2 * width * inner)
    decoder = params["model.decoder_layers"] * (8 * width**2 + 2 * width * inner)
    return float(params["data.vocab_size"] * width + encoder + decoder)


WORLDS = {
    "diverges, base": World(FailureKind.DIVERGED, product, 0.2),
    "diverges, base fails": World(FailureKind.DIVERGED, product, 0.15),
    "diverges, nothing complete": World(FailureKind.DIVERGED, product, 0.2, starts_with_base=False),
    "out of memory, base fails": World(FailureKind.OUT_OF_MEMORY, weights, 2.5e6),
}


WORST_SCORE = "auto, failures as the worst score"
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    WORST_SCORE: lambda seed: PriorGPSampler(SPACE, seed, []),
    "auto": lambda seed: PriorGPSampler(SPACE, seed, [], memory=weights),
}


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        failed: Trials that failed.
        best: The best BLEU, without noise; none if all trials failed.
    """

    failed: int
    best: float | None


def search(world: World, sampler: str, seed: int) -> Search:
    """Runs one search of 30 trials."""
    study = optuna.create_study(direction="maximize")
    if world.starts_with_base:
        study.enqueue_trial(base())
    noise = np.random.default_rng(seed)
    found: list[float] = []
    for number in range(TRIALS):
        study.sampler = SAMPLERS[sampler](trial_seed(seed, number))
        trial = study.ask(SPACE)
        if not world.fails(trial.params):
            found.append(world.bleu(trial.params))
            study.tell(trial, found[-1] + noise.normal(scale=NOISE))
        elif sampler == WORST_SCORE:
            study.tell(trial, WORST)
        else:
            trial.set_user_attr(FAILURE, world.cause)
            study.tell(trial, state=TrialState.FAIL)
    return Search(TRIALS - len(found), max(found, default=None))


def base() -> dict[str, Any]:
    """Returns the paper's base model, brought into the space."""
    config = StudyConfig.model_validate(
        {"name": "failures", "space": PATH.name, "corpus": {"kind": "synthetic"}}
    )
    return dict(baseline_params(Study(config, DOMAINS)))


def main() -> None:
    """Runs all searches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    searches = {
        sampler: {
            name: [search(world, sampler, seed) for seed in range(options.seeds)]
            for name, world in WORLDS.items()
        }
        for sampler in options.samplers
    }
    measured = {
        sampler: {name: [[one.failed, one.best] for one in done] for name, done in by_world.items()}
        for sampler, by_world in searches.items()
    }
    publish(
        "failures",
        [
            Table(
                f"Failed trials of {TRIALS}: mean (most)",
                ("sampler", *WORLDS),
                tuple(
                    (sampler, *(_failed(done) for done in by_world.values()))
                    for sampler, by_world in searches.items()
                ),
            ),
            Table(
                "BLEU of the best configuration, mean of the searches that found any",
                ("sampler", *WORLDS),
                tuple(
                    (sampler, *(_best(done) for done in by_world.values()))
                    for sampler, by_world in searches.items()
                ),
            ),
        ],
        {"options": vars(options), "searches": measured},
        _plot(searches),
    )


def _failed(done: Sequence[Search]) -> str:
    failed = [one.failed for one in done]
    return f"{statistics.fmean(failed):.1f} ({max(failed)})"


def _best(done: Sequence[Search]) -> str:
    best = [one.best for one in done if one.best is not None]
    return f"{statistics.fmean(best):.2f}" if best else "-"


def _plot(searches: Mapping[str, Mapping[str, Sequence[Search]]]) -> "Figure":
    figure, [axes] = new_plot()
    height = 0.8 / len(searches)
    for index, (sampler, by_world) in enumerate(searches.items()):
        places = [place + index * height for place in range(len(by_world))]
        means = [statistics.fmean(one.failed for one in done) for done in by_world.values()]
        axes.barh(places, means, height, label=sampler)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(WORLDS))], list(WORLDS))
    axes.invert_yaxis()
    axes.set_xlabel(f"failed trials of {TRIALS}")
    axes.legend(fontsize=7)
    return figure


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main()
