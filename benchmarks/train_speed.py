"""Target tokens trained on per CPU-second of one core, for ours and its peers, by model size.

    python benchmarks/train_speed.py
    python benchmarks/train_speed.py --shapes d64/2 d128/3 --contestants hand-written "ours 4096"

Padding does not count as tokens. Ours is ``training.fit`` itself, Lightning and all; the peers run
in bare loops, which favours them. The limit is the speed of the core at large bf16 products,
divided by the arithmetic that a target token needs.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

import arithmetic
from automl_tf.data.batches import TrainingBatches
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import PAD
from contest import STUDY, corpus, trial_config
from handwritten import (
    SHAPES,
    HandwrittenTransformer,
    Pair,
    Pairs,
    Shape,
    new_optimizer,
    random_batches,
    warmed_up,
)
from measuring import Case, Result, Stopwatch, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, percent, publish, ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HANDWRITTEN, MARIAN, MARIAN_BF16 = "hand-written", "Marian fp32", "Marian bf16"
OURS, OURS_SMALL = "ours 4096", "ours 2048"
CONTESTANTS: dict[str, dict[str, Any]] = {
    HANDWRITTEN: {"method": "hand-written"},
    MARIAN: {"method": "marian", "batch_tokens": 4096, "bf16": False},
    MARIAN_BF16: {"method": "marian", "batch_tokens": 4096, "bf16": True},
    OURS: {"method": "ours", "batch_tokens": 4096},
    # About as many updates an epoch as 128 sentences a batch give.
    OURS_SMALL: {"method": "ours", "batch_tokens": 2048},
}
LARGE = "base"
"""Its steps take so long that few must do."""
FAR_AWAY = 1_000_000
"""Steps until a validation that never comes."""


def measure(case: Case) -> Result:
    """Trains in one of the ways for some seconds."""
    if case["method"] == "limit":
        return {
            "bf16_flops": arithmetic.peak_flops(torch.bfloat16),
            "fp32_flops": arithmetic.peak_flops(torch.float32),
        }
    torch.manual_seed(1)
    study, shape = Path(case["study"]), SHAPES[case["shape"]]
    least_steps = 1 if case["shape"] == LARGE else 2
    stopwatch = Stopwatch(seconds=case["seconds"], least_steps=least_steps)
    if case["method"] == "hand-written":
        tokens = _train_handwritten(shape, corpus(study), stopwatch)
    elif case["method"] == "marian":
        tokens = _train_marian(shape, corpus(study), stopwatch, case)
    else:
        tokens = _train_ours(shape, study, stopwatch, case["batch_tokens"])
    measured_tokens = stopwatch.measured(tokens)
    return {
        "tokens_a_second": measured_tokens / stopwatch.elapsed,
        "tokens": measured_tokens,
        "seconds": stopwatch.elapsed,
        "seconds_a_step": stopwatch.seconds_a_step,
    }


def _train_handwritten(shape: Shape, data: PreparedData, stopwatch: Stopwatch) -> list[int]:
    model = HandwrittenTransformer(shape, len(data.vocabulary.target))
    optimizer = new_optimizer(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmed_up)
    tokens = []
    for source_BS, target_BT in _endless(random_batches(Pairs(data.train))):
        optimizer.zero_grad()
        model.loss(source_BS, target_BT).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        tokens.append(int((target_BT[:, 1:] != PAD).sum()))
        if stopwatch.lap():
            break
    return tokens


def _endless(batches: DataLoader[Pair]) -> Iterator[Pair]:
    while True:
        yield from batches


def _train_marian(shape: Shape, data: PreparedData, stopwatch: Stopwatch, case: Case) -> list[int]:
    from marian import Fp32Masters, marian_loss, new_marian

    model = new_marian(shape, len(data.vocabulary.target))
    if case["bf16"]:
        model.bfloat16()
    model.train()
    optimizer = Fp32Masters(model)
    tokens = []
    for batch in TrainingBatches(data.train, case["batch_tokens"], seed=1):
        marian_loss(model, batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tokens.append(batch.num_tokens)
        if stopwatch.lap():
            break
    return tokens


def _train_ours(shape: Shape, study: Path, stopwatch: Stopwatch, batch_tokens: int) -> list[int]:
    from automl_tf.training.events import Decision
    from automl_tf.training.fit import fit

    config = trial_config(
        study, shape, batch_tokens=batch_tokens, max_steps=FAR_AWAY, validate_every=FAR_AWAY
    )
    data = corpus(study)
    with tempfile.TemporaryDirectory() as directory:
        # It is asked after each step, and an answer ends the training without a validation.
        fit(
            config,
            data,
            Path(directory),
            lambda _validation: Decision.CONTINUE,
            should_pause=stopwatch.lap,
        )
    batches = TrainingBatches(data.train, batch_tokens, config.seed)
    return [batch.num_tokens for batch in islice(batches, stopwatch.steps)]


def main() -> None:
    """Measures the chosen contestants at the chosen sizes."""
    options = _options()
    cases: dict[str, Case] = {"limit": {"method": "limit"}}
    for shape in options.shapes:
        for name in options.contestants:
            cases[f"{shape} {name}"] = {
                **CONTESTANTS[name],
                "study": str(options.study),
                "shape": shape,
                "seconds": options.seconds,
                "repeats": 1 if shape == LARGE else options.repeats,
            }
    corpus(options.study)  # prepared once, before anything is timed
    results = measure_in_turns(__file__, cases, options.repeats)
    peak = max(result["bf16_flops"] for result in results["limit"])
    limits = _limits(options.study, peak)
    speeds = {
        name: medians(result)["tokens_a_second"]
        for name, result in results.items()
        if name != "limit"
    }
    publish(
        "train_speed",
        [
            *(_table(name, options.contestants, speeds, limits[name]) for name in options.shapes),
            _peak_table(results["limit"]),
        ],
        {"cases": results, "limits": limits, "bf16_flops": peak},
        _plot(options.shapes, options.contestants, speeds, limits),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is trained on")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--repeats", type=int, default=1, help="measurements of each case")
    parser.add_argument("--seconds", type=float, default=2.5, help="CPU-seconds of each of them")
    return parser.parse_args()


def _limits(study: Path, peak: float) -> dict[str, dict[str, float]]:
    """Tokens a second at the peak, with an output row for every id and for those in use alone."""
    data = corpus(study)
    rows = {"all": len(data.vocabulary.target), "used": data.vocabulary.target.num_outputs}
    return {
        name: {
            kind: peak / arithmetic.flops_a_target_token(shape, data.train, count)
            for kind, count in rows.items()
        }
        for name, shape in SHAPES.items()
    }


def _table(
    shape: str, contestants: list[str], speeds: Mapping[str, float], limits: Mapping[str, float]
) -> Table:
    values = {name: speeds[f"{shape} {name}"] for name in contestants}
    values["limit, every output row"] = limits["all"]
    values["limit, output rows in use"] = limits["used"]
    rows = []
    for name, value in values.items():
        references = [
            ratio(value / values[reference]) if reference in values else "-"
            for reference in (HANDWRITTEN, MARIAN_BF16)
        ]
        rows.append((name, number(value), *references, percent(value / limits["all"])))
    return Table(
        f"{shape}: target tokens a CPU-second of one core",
        ("contestant", "tokens/s", "to hand-written", "to Marian bf16", "of the limit"),
        tuple(rows),
    )


def _peak_table(measured: Sequence[Result]) -> Table:
    rows = tuple(
        (name, number(max(result[key] for result in measured) / 1e9))
        for name, key in (("bf16", "bf16_flops"), ("fp32", "fp32_flops"))
    )
    return Table("Large matrix products on one core", ("type", "GFLOP/s"), rows)


def _plot(
    shapes: list[str],
    contestants: list[str],
    speeds: Mapping[str, float],
    limits: Mapping[str, Mapping[str, float]],
) -> "Figure":
    figure, [axes] = new_plot()
    width = 0.8 / len(contestants)
    for index, name in enumerate(contestants):
        places = [group + index * width for group in range(len(shapes))]
        axes.bar(places, [speeds[f"{shape} {name}"] for shape in shapes], width, label=name)
    for group, shape in enumerate(shapes):
        axes.hlines(limits[shape]["all"], group - width / 2, group + 0.8 - width / 2, "black")
    axes.set_yscale("log")
    axes.set_xticks([group + 0.4 - width / 2 for group in range(len(shapes))], shapes)
    axes.set_ylabel("target tokens a CPU-second")
    axes.set_title("Training on one core (line: arithmetic at the bf16 peak)", fontsize=10)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
