"""Does the best learning rate stay where it is when the model gets wider?

    python benchmarks/width_transfer.py ../multi30k
    python benchmarks/width_transfer.py ../multi30k --minutes 3     # as far as that goes

Small Transformers of three widths are trained for a few hundred steps, by ``training.fit``, with
learning rates a factor of two apart and with either ``training.learning_rate_scale``. What is
compared is the loss of the validation split at the end; the best rate is the lowest point of the
parabola through the three best neighbours over the rate's logarithm. Trainings that are done are
kept in ``runs/width_transfer`` by their settings, so that the next call goes on; after a change of
the code, delete them.
"""

import argparse
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from automl_tf.config.settings import LearningRateScale, TrialConfig, unflatten
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from contest import CACHE
from reporting import Table, new_plot, publish

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTHS = (64, 128, 256)
RATES: dict[LearningRateScale, tuple[float, ...]] = {
    "plain": (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
    "width": (5e-4, 1e-3, 2e-3, 4e-3),
}
"""Around the best ones: with ``width`` most weights have several times the given rate."""
KEPT = CACHE.parent / "width_transfer"
SPLITS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
LOSS, BLEU = "validation loss", "validation BLEU"
SETTINGS: dict[str, Any] = {
    "model.num_heads": 4,
    "model.encoder_layers": 3,
    "model.decoder_layers": 3,
    "training.batch_tokens": 1024,
    "data.vocab_size": 4000,
}
"""The same for all; the feed-forward network is four times as wide as the model."""

Result = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One training.

    Attributes:
        scale: How its learning rate goes with the width.
        width: Of the model.
        rate: Learning rate at its peak.
        seed: Of weights, order and dropout.
    """

    scale: LearningRateScale
    width: int
    rate: float
    seed: int


@dataclass(frozen=True)
class Curve:
    """What the learning rates come to for one width and scale.

    Attributes:
        scale: How the learning rate goes with the width.
        width: Of the model.
        losses: Loss of the validation split for each of its `RATES`, the mean over the seeds.
        bleus: BLEU likewise.
    """

    scale: LearningRateScale
    width: int
    losses: tuple[float, ...]
    bleus: tuple[float, ...]

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates."""
        return RATES[self.scale]

    @property
    def best_rate(self) -> float:
        """Where the loss is lowest, between the rates that were tried; an end may be the best."""
        middle = int(np.argmin(self.losses))
        if middle in (0, len(self.rates) - 1):
            return self.rates[middle]
        around = slice(middle - 1, middle + 2)
        square, slope, _ = np.polyfit(np.log2(self.rates[around]), self.losses[around], deg=2)
        return float(2 ** (-slope / (2 * square)))

    def loss_at(self, rate: float) -> float:
        """The loss for a rate between those that were tried."""
        return float(np.interp(math.log2(rate), np.log2(self.rates), self.losses))


def main() -> None:
    """Trains what is not trained yet, and compares when nothing is missing."""
    options = _options()
    torch.set_num_threads(1)
    stop = time.monotonic() + 60 * options.minutes
    found: dict[Case, Result] = {}
    cases = list(_cases(options.seeds))
    for number, case in enumerate(cases, 1):
        config = _config(case, options)
        kept = KEPT / f"{hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]}.json"
        if not kept.exists():
            if time.monotonic() > stop:
                print(f"{number - 1} of {len(cases)} trainings are done; call again to go on")
                return
            result = _train(config, prepare(config, CACHE))
            print(f"{number} of {len(cases)}: {case} {result}", flush=True)
            KEPT.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(result))
        found[case] = json.loads(kept.read_text())
    curves = [_curve(scale, width, found, options.seeds) for scale in RATES for width in WIDTHS]
    measured = {
        "steps": options.steps,
        "seeds": options.seeds,
        "curves": [
            {**vars(curve), "rates": curve.rates, "best rate": curve.best_rate} for curve in curves
        ],
    }
    tables = [_rates(curves), *(_losses(curves, scale) for scale in RATES)]
    publish("width_transfer", tables, measured, _plot(curves))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="the files of Multi30k")
    parser.add_argument("--steps", type=int, default=300, help="optimizer steps")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each kind")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="after which no training begins"
    )
    return parser.parse_args()


def _cases(seeds: int) -> Iterator[Case]:
    """All trainings, narrow ones first."""
    for seed in range(1, seeds + 1):
        for width in WIDTHS:
            for scale, rates in RATES.items():
                yield from (Case(scale, width, rate, seed) for rate in rates)


def _config(case: Case, options: argparse.Namespace) -> TrialConfig:
    settings = {
        **SETTINGS,
        "model.d_model": case.width,
        "model.d_ff": 4 * case.width,
        "training.learning_rate": case.rate,
        "training.learning_rate_scale": case.scale,
        "training.max_steps": options.steps,
        "training.validate_every": options.steps,
        "training.warmup_steps": options.steps // 4,
    }
    corpus = {"kind": "files", "source_lang": "en", "target_lang": "de"}
    start = options.folder.resolve()
    files = {
        split: {"source": f"{start / name}.en.gz", "target": f"{start / name}.de.gz"}
        for split, name in SPLITS.items()
    }
    return TrialConfig.model_validate(
        {"corpus": {**corpus, **files}, "seed": case.seed, **unflatten(settings)}
    )


def _train(config: TrialConfig, data: PreparedData) -> Result:
    """Loss and BLEU at the end; an infinite loss if the training diverged."""
    result = {LOSS: math.inf, BLEU: 0.0}
    started = time.process_time()

    def observe(validation: Validation) -> Decision:
        result.update({LOSS: validation.loss, BLEU: validation.scores.bleu})
        return Decision.CONTINUE

    with tempfile.TemporaryDirectory() as folder:
        fit(config, data, Path(folder), observe)
    return {**result, "CPU-seconds": time.process_time() - started}


def _curve(scale: LearningRateScale, width: int, found: dict[Case, Result], seeds: int) -> Curve:
    trained = [
        [found[Case(scale, width, rate, 1 + seed)] for seed in range(seeds)]
        for rate in RATES[scale]
    ]
    losses, bleus = (
        tuple(float(np.mean([result[key] for result in results])) for results in trained)
        for key in (LOSS, BLEU)
    )
    return Curve(scale, width, losses, bleus)


def _rates(curves: list[Curve]) -> Table:
    rows = []
    for scale in RATES:
        mine = [curve for curve in curves if curve.scale == scale]
        narrow, wide = mine[0], mine[-1]
        drift = math.log2(wide.best_rate / narrow.best_rate)
        lost = wide.loss_at(narrow.best_rate) - wide.loss_at(wide.best_rate)
        rates = (f"{curve.best_rate:.2e}" for curve in mine)
        rows.append((scale, *rates, f"{drift:+.2f}", f"{lost:.3f}"))
    columns = (
        "scale",
        *(f"d_model {width}" for width in WIDTHS),
        "drift, octaves",
        f"loss of {WIDTHS[-1]} at the best rate of {WIDTHS[0]}, above its best",
    )
    return Table("Best learning rate by width", columns, tuple(rows))


def _losses(curves: list[Curve], scale: LearningRateScale) -> Table:
    rows = tuple(
        (
            f"d_model {curve.width}",
            *(
                f"{loss:.3f} ({bleu:.1f})"
                for loss, bleu in zip(curve.losses, curve.bleus, strict=True)
            ),
        )
        for curve in curves
        if curve.scale == scale
    )
    title = f"Scale {scale}: validation loss in nats a subword (and BLEU) by learning rate"
    return Table(title, ("training", *(f"{rate:g}" for rate in RATES[scale])), rows)


def _plot(curves: list[Curve]) -> "Figure":
    figure, panels = new_plot(num_panels=len(RATES))
    for axes, scale in zip(panels, RATES, strict=True):
        for curve in curves:
            if curve.scale == scale:
                _draw(axes, curve)
        axes.set_xticks(RATES[scale], [f"{rate:g}" for rate in RATES[scale]])
        axes.minorticks_off()
        axes.set_title(f"learning_rate_scale: {scale}", fontsize=10)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("validation loss, nats")
        axes.legend(fontsize=8)
    return figure


def _draw(axes: "Axes", curve: Curve) -> None:
    [line] = axes.semilogx(curve.rates, curve.losses, marker="o", label=f"d_model {curve.width}")
    axes.axvline(curve.best_rate, color=line.get_color(), linestyle=":")


if __name__ == "__main__":
    main()
