"""A whole trial on one GPU: its time, what CUDA graphs save, and what several workers gain.

    python benchmarks/gpu_speed.py

Each case is ``training.fit`` in a process of its own, with BLEU after every epoch. Times are
wall time from the start of the training to its end; with several workers, the throughput is the sum
of what each reached while the others ran beside it. NVIDIA's multi-process service is used if it
runs (``nvidia-cuda-mps-control -d``).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from automl_tf.data.batches import TrainingBatches
from contest import STUDY, corpus, trial_config
from handwritten import SHAPES
from measuring import Case, Result, answer, measure_fresh
from reporting import Table, new_plot, number, publish, ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPE = "d256/3"
BATCH_TOKENS = 4096
WHOLE, EAGER, ALONE = "whole trial", "kernel by kernel", "1 worker"


def measure(case: Case) -> Result:
    """Trains for some epochs."""
    from automl_tf.training.events import Decision, Validation
    from automl_tf.training.fit import fit
    from automl_tf.training.module import TranslationModule

    if case["eager"]:
        TranslationModule.uses_graphs = False  # type: ignore[method-assign,assignment]
    study = Path(case["study"])
    data = corpus(study)
    batches = TrainingBatches(data.train, BATCH_TOKENS, seed=1).batches_per_epoch
    config = trial_config(
        study,
        SHAPES[SHAPE],
        batch_tokens=BATCH_TOKENS,
        max_steps=case["epochs"] * batches,
        validate_every=batches,
    )
    told: list[Validation] = []

    def observe(validation: Validation) -> Decision:
        told.append(validation)
        return Decision.CONTINUE

    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = fit(config, data, Path(folder), observe)
    seconds = time.monotonic() - started
    assert result.best is not None
    tokens = case["epochs"] * (len(data.train.target.ids) + len(data.train))
    last_points = [point.tokens_per_second for point in told[-1].curve]
    return {
        "seconds": seconds,
        "tokens_a_second": tokens / seconds,
        "tokens_a_second_in_steps": sum(last_points) / len(last_points),
        "bleu": result.best.bleu,
        "peak_memory_mb": told[-1].peak_memory_mb,
    }


def main() -> None:
    """Measures a trial, its parts, and several workers side by side."""
    options = _options()
    if not torch.cuda.is_available() and not options.without_gpu:
        sys.exit("This machine has no GPU. --without-gpu tries the benchmark on the CPU.")
    corpus(options.study)  # prepared once, before anything is timed
    case = {"study": str(options.study), "epochs": options.epochs, "eager": False}
    short = {**case, "epochs": options.short_epochs}
    results = {
        WHOLE: [measure_fresh(__file__, case)],
        EAGER: [measure_fresh(__file__, {**short, "eager": True})],
        ALONE: [measure_fresh(__file__, short)],
    }
    for count in options.workers:
        with ThreadPoolExecutor(count) as pool:
            runs = [pool.submit(measure_fresh, __file__, short) for _ in range(count)]
        results[f"{count} workers"] = [run.result() for run in runs]
    publish("gpu_speed", [_table(results)], {"cases": results}, _plot(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is trained on")
    parser.add_argument("--epochs", type=int, default=40, help="of the whole trial")
    parser.add_argument("--short-epochs", type=int, default=10, help="of the other trials")
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 4, 8], help="side by side")
    parser.add_argument("--without-gpu", action="store_true", help="try the benchmark on the CPU")
    return parser.parse_args()


def _throughput(runs: Sequence[Result]) -> float:
    return sum(run["tokens_a_second"] for run in runs)


def _table(results: Mapping[str, Sequence[Result]]) -> Table:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "the CPU"
    alone = _throughput(results[ALONE])
    rows = []
    for name, runs in results.items():
        rows.append(
            (
                name,
                number(max(run["seconds"] for run in runs)),
                number(_throughput(runs)),
                ratio(_throughput(runs) / alone),
                number(sum(run["tokens_a_second_in_steps"] for run in runs)),
                number(max(run["peak_memory_mb"] for run in runs)),
                f"{runs[0]['bleu']:.2f}",
            )
        )
    columns = ("case", "seconds", "tokens/s", "to 1 worker", "within steps", "MB", "BLEU")
    return Table(f"{SHAPE} on {device}: target tokens a second of wall time", columns, tuple(rows))


def _plot(results: Mapping[str, Sequence[Result]]) -> "Figure":
    figure, [axes] = new_plot()
    axes.bar(list(results), [_throughput(runs) for runs in results.values()])
    axes.set_ylabel("target tokens a second")
    axes.set_title("Trials on one GPU", fontsize=10)
    axes.tick_params(axis="x", labelrotation=20)
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
