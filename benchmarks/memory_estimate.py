"""The memory that trainings take, as estimated from their configurations and as it is.

    python benchmarks/memory_estimate.py
    python benchmarks/memory_estimate.py --cases 'tiny smallest' 'vaswani base'

Some steps and one validation of configurations from the shipped spaces, each in a process of its
own: the most that the process holds less what it held before the training (Linux), or, where there
is a GPU, the most that torch has reserved there. The corpus is that of
studies/multi30k-en-de.yaml where its files are, else the built-in one.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_tf.config.settings import Corpus, SyntheticCorpus, TrialConfig, unflatten
from automl_tf.config.space import Domain, Scalar, read_space
from automl_tf.data.prepare import prepare
from automl_tf.device import PeakMemory, resolve_precision
from automl_tf.errors import UserError
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit
from automl_tf.training.footprint import MEGABYTE, Extent, arithmetic_here, footprint
from contest import CACHE, ROOT, STUDY
from measuring import Case, Result, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, publish
from studies import cut_corpus

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = {"tiny": 300, "small": 100, "low-resource": 8, "vaswani": 4}
"""Optimizer steps of a configuration of each space."""
SHARE_VALIDATED = 0.1
"""Of the validation split: a model that has learnt nothing translates slowly."""
SPACES = ROOT / "search_spaces"
BATCH_TOKENS = {"tiny": 1024, "small": 2048, "low-resource": 4096, "vaswani": 4096}
PLACES = {"smallest": 0.0, "middle": 0.5, "largest": 1.0}
"""Where the values of a configuration lie between the smallest and the largest of each setting."""
BASE = {
    "model.d_model": 512,
    "model.num_heads": 8,
    "model.d_ff": 2048,
    "model.encoder_layers": 6,
    "model.decoder_layers": 6,
    "model.dropout": 0.1,
    "training.warmup_steps": 4000,
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "vaswani base": ("vaswani", {**BASE, "model.norm": "post"}),
    "vaswani base, rotary, SwiGLU": (
        "vaswani",
        {**BASE, "model.positions": "rotary", "model.activation": "swiglu"},
    ),
    "small middle, fp32": ("small", {"training.precision": "fp32"}),
}
"""The paper's base, and options that the spaces leave alone."""

ESTIMATED, MEASURED = "estimated_mb", "measured_mb"


def settings_of(space: str, place: float) -> dict[str, Scalar]:
    """A configuration of a shipped space."""
    domains = read_space(SPACES / f"{space}.yaml")[0].domains
    return {name: _at(domain, place) for name, domain in domains.items()}


def _at(domain: Domain, place: float) -> Scalar:
    if domain.count is None:
        low, high = domain.ends()
        return float(low) + place * (float(high) - float(low))
    return domain.values()[round(place * (domain.count - 1))]


def cases() -> dict[str, Case]:
    """What is measured, by name."""
    chosen = {
        f"{space} {name}": (space, settings_of(space, place))
        for space in BATCH_TOKENS
        for name, place in PLACES.items()
        if (space, name) != ("tiny", "middle")
    }
    for name, (space, changes) in OTHERS.items():
        chosen[name] = (space, {**settings_of(space, PLACES["middle"]), **changes})
    return {
        name: {
            "settings": {**settings, "training.batch_tokens": BATCH_TOKENS[space]},
            "steps": STEPS[space],
        }
        for name, (space, settings) in chosen.items()
    }


def measure(case: Case) -> Result:
    """Trains for some steps and validates."""
    with tempfile.TemporaryDirectory() as folder:
        config = _config(case, Path(folder))
        data = prepare(config, CACHE)
        arithmetic = arithmetic_here(resolve_precision(config.training.precision))
        guess = footprint(_as_short(config), data.sizes, Extent.of(data), arithmetic)
        peak = PeakMemory()
        before = peak.megabytes()
        fit(config, data, Path(folder), lambda _validation: Decision.STOP)
        measured = peak.megabytes() - before
    parts = {name: size / MEGABYTE for name, size in vars(guess).items()}
    return {ESTIMATED: guess.megabytes, MEASURED: measured, **parts}


def _config(case: Case, folder: Path) -> TrialConfig:
    corpus: Corpus
    try:
        corpus = cut_corpus(STUDY, folder, train=1.0, validation=SHARE_VALIDATED)
    except UserError:
        corpus = SyntheticCorpus(kind="synthetic")
    settings = {
        "training.max_steps": 100_000,
        "training.validate_every": case["steps"],
        **case["settings"],
    }
    return TrialConfig.model_validate({"corpus": corpus.model_dump(), **unflatten(settings)})


def _as_short(config: TrialConfig) -> TrialConfig:
    """The configuration of a training that ends where this one is stopped."""
    training = config.training.model_copy(update={"max_steps": config.training.validate_every})
    return config.model_copy(update={"training": training})


def main() -> None:
    """Measures the chosen configurations."""
    options = _options()
    chosen = {name: case for name, case in cases().items() if name in options.cases}
    results = measure_in_turns(__file__, chosen, options.repeats)
    middle = {name: medians(result) for name, result in results.items()}
    publish("memory_estimate", [_table(middle)], {"cases": results}, _plot(middle))


def _table(middle: Mapping[str, Result]) -> Table:
    rows = tuple(
        (
            name,
            number(result["weights"] + result["optimizer"] + result["gradients"]),
            number(result["activations"]),
            number(result["decoding"]),
            number(result[ESTIMATED]),
            number(result[MEASURED]),
            f"{result[ESTIMATED] / result[MEASURED]:.2f}",
        )
        for name, result in middle.items()
    )
    columns = ("configuration", "weights", "activations", "decoding", "estimate", "truth", "ratio")
    return Table("Peak memory of a training, MB", columns, rows)


def _plot(middle: Mapping[str, Result]) -> "Figure":
    figure, [panel] = new_plot()
    estimates = [result[ESTIMATED] for result in middle.values()]
    truths = [result[MEASURED] for result in middle.values()]
    panel.loglog(truths, estimates, "o")
    ends = [min(truths), max(truths)]
    panel.loglog(ends, ends, color="0.5")
    panel.fill_between(ends, [0.8 * x for x in ends], [1.2 * x for x in ends], alpha=0.2)
    panel.set_xlabel("MB, measured (band: within 20 %)")
    panel.set_ylabel("MB, estimated")
    return figure


def _options() -> argparse.Namespace:
    names = list(cases())
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=names, default=names)
    parser.add_argument("--repeats", type=int, default=1, help="measurements of each")
    return parser.parse_args()


if __name__ == "__main__" and not answer(measure):
    main()
