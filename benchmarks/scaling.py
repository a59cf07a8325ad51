"""Time a step and peak memory against vocabulary, length, depth, width and batch size.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --axes vocabulary length

Random token ids, one thread, the project's own model, loss and optimizer. One size changes at a
time; a batch holds equally many tokens, except where their number is what changes. The exponent is
the slope between logarithms: 0 for a cost that stays, 1 for one that grows in proportion. Peak
memory is that of a process of its own less what it had before the model was built (Linux).
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from automl_tf.config.settings import ModelConfig, TrainingConfig
from automl_tf.device import keep_freed_memory, resolve_precision
from automl_tf.model.loss import label_smoothed_cross_entropy
from automl_tf.model.size import VocabSizes
from automl_tf.model.transformer import Transformer
from automl_tf.training.optimizer import MasterAdamW
from measuring import Case, Result, Stopwatch, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAD_WIDTH = 32
NUM_SPECIALS = 4
USUAL = {"vocabulary": 8000, "length": 16, "depth": 3, "width": 128, "tokens": 4096}
AXES = {
    "vocabulary": (2_000, 4_000, 8_000, 16_000, 32_000, 64_000),
    "length": (16, 32, 64, 128, 256, 512),
    "depth": (1, 2, 4, 8, 16),
    "width": (64, 128, 256, 512),
    "tokens": (1_024, 2_048, 4_096, 8_192, 16_384),
}
SECONDS, LARGEST = "seconds_a_step", "peak_mb"


def measure(case: Case) -> Result:
    """Trains for some steps on random ids."""
    keep_freed_memory()
    torch.manual_seed(1)
    before = _peak_mb()
    training = TrainingConfig()
    config = ModelConfig(
        d_model=case["width"],
        num_heads=case["width"] // HEAD_WIDTH,
        d_ff=4 * case["width"],
        encoder_layers=case["depth"],
        decoder_layers=case["depth"],
    )
    vocabulary, length = case["vocabulary"], case["length"]
    vocab = VocabSizes(vocabulary, vocabulary, joint=True, outputs=vocabulary)
    model = Transformer(config, vocab, max_length=length)
    if resolve_precision(training.precision) == "bf16":
        model.bfloat16()
    model.train()
    optimizer = MasterAdamW(
        model.parameters(),
        lr=training.learning_rate,
        beta2=training.beta2,
        weight_decay=training.weight_decay,
        clip_norm=training.clip_norm,
    )
    stopwatch = Stopwatch(seconds=case["seconds"], warmup_steps=2)
    while True:
        shape = (case["tokens"] // length, length)
        source_BS, target_in_BT, target_out_BT = torch.randint(
            NUM_SPECIALS, vocabulary, (3, *shape)
        ).unbind()
        loss = label_smoothed_cross_entropy(
            model(source_BS, target_in_BT),
            model.output_weight_VD,
            target_out_BT,
            training.label_smoothing,
        ).smoothed
        num_tokens = target_out_BT.numel()
        optimizer.add_gradients(loss * num_tokens, num_tokens)
        optimizer.step()
        if stopwatch.lap():
            return {SECONDS: stopwatch.seconds_a_step, LARGEST: _peak_mb() - before}


def _peak_mb() -> float:
    """Largest memory of this process so far, in MB.

    What ``getrusage`` knows would count the parent's.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None, "Linux tells the peak of a process"
    return int(found[1]) / 1024


def main() -> None:
    """Measures along the chosen axes."""
    options = _options()
    cases: dict[str, Case] = {
        _name(axis, size): {**USUAL, axis: size, "seconds": options.seconds}
        for axis in options.axes
        for size in AXES[axis]
    }
    results = measure_in_turns(__file__, cases, options.repeats)
    middle = {name: medians(result) for name, result in results.items()}
    tables = [_table(axis, middle) for axis in options.axes]
    exponents = {
        axis: {key: _exponent(axis, middle, key) for key in (SECONDS, LARGEST)}
        for axis in options.axes
    }
    tables.append(_exponent_table(options.axes, middle))
    measured = {"usual": USUAL, "cases": results, "exponents": exponents}
    publish("scaling", tables, measured, _plot(options.axes, middle))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--repeats", type=int, default=2, help="measurements of each case")
    parser.add_argument("--seconds", type=float, default=1.5, help="CPU-seconds of each of them")
    return parser.parse_args()


def _name(axis: str, size: int) -> str:
    return f"{axis} {size}"


def _values(axis: str, middle: Mapping[str, Result], key: str) -> list[float]:
    return [middle[_name(axis, size)][key] for size in AXES[axis]]


def _slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The exponent of the power of the size that fits the values best."""
    return float(np.polyfit(np.log(sizes), np.log(values), deg=1)[0])


def _exponent(axis: str, middle: Mapping[str, Result], key: str) -> float:
    return _slope(AXES[axis], _values(axis, middle, key))


def _last_exponent(axis: str, middle: Mapping[str, Result], key: str) -> float:
    """The exponent between the two largest sizes, where what is constant matters least."""
    return _slope(AXES[axis][-2:], _values(axis, middle, key)[-2:])


def _table(axis: str, middle: Mapping[str, Result]) -> Table:
    others = ", ".join(f"{name} {size:,}" for name, size in USUAL.items() if name != axis)
    rows = zip(
        AXES[axis], _values(axis, middle, SECONDS), _values(axis, middle, LARGEST), strict=True
    )
    return Table(
        f"Against {axis} ({others})",
        (axis, "ms a step", "peak memory, MB"),
        tuple((f"{size:,}", number(1000 * seconds), number(peak)) for size, seconds, peak in rows),
    )


def _exponent_table(axes: Sequence[str], middle: Mapping[str, Result]) -> Table:
    rows = []
    for axis in axes:
        fits = [
            f(axis, middle, key) for key in (SECONDS, LARGEST) for f in (_exponent, _last_exponent)
        ]
        rows.append((axis, *(f"{fit:.2f}" for fit in fits)))
    return Table(
        "Exponents",
        ("size", "time, all", "time, largest two", "memory, all", "memory, largest two"),
        tuple(rows),
    )


def _plot(axes: Sequence[str], middle: Mapping[str, Result]) -> "Figure":
    figure, panels = new_plot(num_panels=2)
    labels = {SECONDS: "time a step", LARGEST: "peak memory"}
    for panel, (key, label) in zip(panels, labels.items(), strict=True):
        for axis in axes:
            values = _values(axis, middle, key)
            factors = [size / AXES[axis][0] for size in AXES[axis]]
            fit = f"{axis}: {_exponent(axis, middle, key):.2f}"
            panel.loglog(factors, [value / values[0] for value in values], marker="o", label=fit)
        panel.set_xlabel("size, relative to the smallest")
        panel.set_title(f"{label} (exponent)", fontsize=10)
        panel.legend(fontsize=7)
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
