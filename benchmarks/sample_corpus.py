"""Do size, depth, dropout and learning rate of a model change BLEU on the sample corpus?

    python benchmarks/sample_corpus.py
    python benchmarks/sample_corpus.py --seeds 1 --steps 400     # a quick look

Trains the quickstart's largest model for the quickstart's steps, then the same with one setting
changed at a time, each with several seeds. A setting matters if it moves the mean of BLEU by more
than seeds do: by more than the larger of the two ranges over the seeds.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_tf.config.settings import TrialConfig, unflatten
from automl_tf.data.prepare import prepare
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from contest import CACHE
from measuring import Case, Result, answer, measure_fresh
from reporting import Table, new_plot, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REFERENCE: dict[str, Any] = {
    "model.d_model": 64,
    "model.num_heads": 4,
    "model.d_ff": 256,
    "model.encoder_layers": 2,
    "model.decoder_layers": 2,
    "model.dropout": 0.0,
    "training.learning_rate": 6e-3,
    "training.batch_tokens": 1024,
    "data.vocab_size": 4000,
}
"""Good values of the quickstart's space, and what its study fixes."""
CHANGES: dict[str, dict[str, Any]] = {
    "d_model 64 to 32": {"model.d_model": 32},
    "layers 2+2 to 1+1": {"model.encoder_layers": 1, "model.decoder_layers": 1},
    "dropout 0 to 0.3": {"model.dropout": 0.3},
    "learning rate 0.006 to 0.001": {"training.learning_rate": 1e-3},
}
BLEU = "validation BLEU"


def main() -> None:
    """Trains every case with every seed and tells which settings matter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800, help="optimizer steps of a training")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each case")
    parser.add_argument("--workers", type=int, default=2, help="trainings at once")
    options = parser.parse_args()
    cases: dict[str, dict[str, Any]] = {"reference": {}, **CHANGES}
    bleu: dict[str, list[float]] = {name: [] for name in cases}
    runs = [
        (name, {"settings": {**REFERENCE, **changed}, "seed": seed, "steps": options.steps})
        for seed in range(1, options.seeds + 1)
        for name, changed in cases.items()
    ]
    with ThreadPoolExecutor(options.workers) as workers:
        results = workers.map(lambda run: measure_fresh(__file__, run[1]), runs)
        for (name, run), result in zip(runs, results, strict=True):
            bleu[name].append(result[BLEU])
            print(f"seed {run['seed']}, {name}: {result[BLEU]:.1f}", flush=True)
    title = f"Sample corpus, {BLEU} after {options.steps} steps"
    columns = ("changed", "BLEU by seed", "mean", "difference", "matters")
    rows = tuple(_row(name, bleu) for name in cases)
    publish("sample_corpus", [Table(title, columns, rows)], {BLEU: bleu}, _plot(bleu))


def train(case: Case) -> Result:
    """BLEU of the validation split at the end of a training."""
    result: Result = {}

    def observe(validation: Validation) -> Decision:
        result[BLEU] = validation.scores.bleu
        return Decision.CONTINUE

    steps = case["steps"]
    settings = {
        **case["settings"],
        "training.max_steps": steps,
        "training.validate_every": steps,
        "training.warmup_steps": steps // 10,
    }
    corpus = {"kind": "synthetic"}
    config = TrialConfig.model_validate(
        {"corpus": corpus, "seed": case["seed"], **unflatten(settings)}
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(config, prepare(config, CACHE), Path(folder), observe)
    return result


def matters(changed: list[float], reference: list[float]) -> bool:
    """Whether the means differ by more than the larger of the two ranges."""
    spread = max(max(values) - min(values) for values in (changed, reference))
    return abs(statistics.mean(changed) - statistics.mean(reference)) > spread


def _row(name: str, bleu: Mapping[str, list[float]]) -> tuple[str, ...]:
    values, reference = bleu[name], bleu["reference"]
    mean = statistics.mean(values)
    told = ("", "")
    if values is not reference:
        difference = mean - statistics.mean(reference)
        verdict = "yes" if matters(values, reference) else "no"
        told = (f"{difference:+.1f}", verdict if values[1:] else "one seed cannot tell")
    return (name, ", ".join(f"{value:.1f}" for value in values), f"{mean:.1f}", *told)


def _plot(bleu: Mapping[str, list[float]]) -> "Figure":
    figure, [axes] = new_plot()
    for place, values in enumerate(bleu.values()):
        axes.scatter([place] * len(values), values)
    axes.set_xticks(range(len(bleu)), [name.replace(" to ", "\nto ") for name in bleu], fontsize=7)
    axes.set_ylabel(BLEU)
    axes.set_title("Sample corpus: one setting changed at a time", fontsize=10)
    return figure


if __name__ == "__main__" and not answer(train):
    main()
