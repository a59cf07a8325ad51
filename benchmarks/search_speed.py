"""Wall time of a whole search on two cores: the hand-written one against ours.

    python benchmarks/search_speed.py                      # a tenth of the corpus
    python benchmarks/search_speed.py --fraction 1         # all of it, for hours
    python benchmarks/search_speed.py --trials 2 --epochs 1

The same configurations, the same number of epochs, no pruning. The hand-written search trains one
trial after another with two threads; ours is ``automl-tf search`` with two workers. Both start from
text, in processes of their own, and end with everything in their databases.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from automl_tf.config.files import read_study
from automl_tf.config.settings import TrainingConfig, TrialConfig, unflatten
from automl_tf.data.batches import TrainingBatches
from automl_tf.data.prepare import prepare
from contest import CACHE, SETTINGS, STUDY
from measuring import Case, Result, answer, measure_fresh, medians
from reporting import Table, new_plot, number, publish, ratio
from studies import NAME, cut_corpus, write_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HANDWRITTEN, OURS = "hand-written", "ours"
CORES = 2
BATCH_TOKENS = 2048
"""About as many updates an epoch as 128 sentences a batch give."""
SPACE: dict[str, dict[str, Any]] = {
    "model.d_model": {"choices": [64, 128]},
    "model.num_heads": {"choices": [2, 4]},
    "model.d_ff": {"choices": [256, 512]},
    "model.encoder_layers": {"low": 2, "high": 3},
    "model.decoder_layers": {"low": 2, "high": 3},
    "model.dropout": {"low": 0.0, "high": 0.3},
    "training.learning_rate": {"low": 5e-4, "high": 3e-3, "log": True},
}


def measure(case: Case) -> Result:
    """Runs one of the two searches to its end."""
    folder, study = Path(case["folder"]), Path(case["study"])
    if case["method"] == OURS:
        return _search_ours(folder, study, case["workers"])
    from handwritten_search import search

    data = prepare(_trial_config(study), folder / "cache")
    bleu = search(data, case["configurations"], case["epochs"], folder)
    seconds = time.time() - psutil.Process().create_time()
    return {"seconds": seconds, "bleu": max(bleu), "mean_bleu": sum(bleu) / len(bleu)}


def _search_ours(folder: Path, study: Path, workers: int) -> Result:
    program = [sys.executable, "-m", "automl_tf"]
    home = ["--home", str(folder)]
    started = time.perf_counter()
    subprocess.run(
        [*program, "search", str(study), "--workers", str(workers), "--quiet", *home],
        stdout=sys.stderr,
        check=True,
    )
    seconds = time.perf_counter() - started
    shown = subprocess.run(
        [*program, "show", NAME, "--json", *home], stdout=subprocess.PIPE, check=True
    )
    trials = json.loads(shown.stdout)["trials"]
    bleu = [trial["values"][0] for trial in trials]
    return {"seconds": seconds, "bleu": max(bleu), "mean_bleu": sum(bleu) / len(bleu)}


def main() -> None:
    """Runs both searches and compares them."""
    options = _options()
    configurations = _configurations(options.trials)
    results: dict[str, list[Result]] = {HANDWRITTEN: [], OURS: []}
    with tempfile.TemporaryDirectory() as name:
        study = _write_study(Path(name), options, configurations)
        for turn in range(options.repeats):
            for method in options.contestants:
                print(f"turn {turn + 1}: {method}", file=sys.stderr, flush=True)
                folder = Path(name) / f"{method}-{turn}"
                folder.mkdir()
                case = {
                    "method": method,
                    "study": str(study),
                    "folder": str(folder),
                    "configurations": configurations,
                    "epochs": options.epochs,
                    "workers": CORES,
                }
                results[method].append(measure_fresh(__file__, case, threads=CORES))
    measured = {method: medians(result) for method, result in results.items() if result}
    publish(
        "search_speed",
        [_table(options, measured)],
        {
            "trials": options.trials,
            "epochs": options.epochs,
            "fraction": options.fraction,
            "cases": results,
        },
        _plot(options, measured),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is trained on")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--fraction", type=float, default=0.1, help="share of the sentences used")
    parser.add_argument("--repeats", type=int, default=1)
    both = [HANDWRITTEN, OURS]
    parser.add_argument("--contestants", nargs="+", choices=both, default=both)
    return parser.parse_args()


def _configurations(trials: int) -> list[dict[str, Any]]:
    """Draws configurations, by the names that the hand-written search gives to settings."""
    draw = random.Random(1)  # noqa: S311 - nothing secret
    return [
        {
            # Every other trial is of the larger width, whatever their number.
            "d_model": [64, 128][trial % 2],
            "heads": draw.choice([2, 4]),
            "d_ff": draw.choice([256, 512]),
            "layers": draw.choice([2, 3]),
            "dropout": round(draw.uniform(0.0, 0.3), 2),
            "learning_rate": round(draw.uniform(5e-4, 3e-3), 5),
        }
        for trial in range(trials)
    ]


def _write_study(
    folder: Path, options: argparse.Namespace, configurations: list[dict[str, Any]]
) -> Path:
    """The same search in the project's own form."""
    cut = cut_corpus(options.study, folder, options.fraction, options.fraction)
    corpus = cut.model_dump()
    config = TrialConfig.model_validate({"corpus": corpus, **unflatten(SETTINGS)})
    data = prepare(config, CACHE)
    epoch = TrainingBatches(data.train, BATCH_TOKENS, config.seed).batches_per_epoch
    max_steps = options.epochs * epoch
    fixed = {
        **SETTINGS,
        "training.batch_tokens": BATCH_TOKENS,
        "training.max_steps": max_steps,
        "training.validate_every": epoch,
        "training.warmup_steps": min(TrainingConfig().warmup_steps, max_steps // 3),
    }
    start_with = [
        {
            "model.d_model": params["d_model"],
            "model.num_heads": params["heads"],
            "model.d_ff": params["d_ff"],
            "model.encoder_layers": params["layers"],
            "model.decoder_layers": params["layers"],
            "model.dropout": params["dropout"],
            "training.learning_rate": params["learning_rate"],
        }
        for params in configurations
    ]
    return write_study(folder, cut, SPACE, fixed, start_with)


def _trial_config(study: Path) -> TrialConfig:
    """What the hand-written search has to know of the study: its corpus and vocabulary."""
    corpus = read_study(study).config.corpus.model_dump()
    return TrialConfig.model_validate({"corpus": corpus, **unflatten(SETTINGS)})


def _table(options: argparse.Namespace, measured: Mapping[str, Result]) -> Table:
    rows = []
    for method, result in measured.items():
        times = "-"
        if HANDWRITTEN in measured:
            times = ratio(measured[HANDWRITTEN]["seconds"] / result["seconds"])
        bleu = [f"{result[key]:.1f}" for key in ("mean_bleu", "bleu")]
        rows.append((method, number(result["seconds"]), times, *bleu))
    return Table(
        f"{options.trials} trials of {options.epochs} epochs on {options.fraction:g} of the "
        f"corpus, {CORES} cores, seconds of wall time",
        ("search", "seconds", "times faster", "mean BLEU", "best BLEU"),
        tuple(rows),
    )


def _plot(options: argparse.Namespace, measured: Mapping[str, Result]) -> "Figure":
    figure, [axes] = new_plot()
    axes.barh(list(measured), [result["seconds"] for result in measured.values()])
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.set_title(
        f"A search of {options.trials} trials, {options.epochs} epochs, on {CORES} cores",
        fontsize=10,
    )
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
