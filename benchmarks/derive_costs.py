"""Derives what ``sampler: {kind: auto}`` knows of costs from tables of trained Transformers.

    python benchmarks/derive_costs.py FOLDER          # writes automl_tf/search/samplers/costs.yaml
    python benchmarks/derive_costs.py FOLDER --print

The logarithm of each cost is fitted to the doublings of the settings, table by table, in standard
deviations among a table's configurations; the figures are the means over the tables in which a
setting varies. The learning rate is left out: it changes how long the outputs of badly trained
models are, and our latency is measured before training. Where the tables vary both depths as one,
a cost is shared out between encoder and decoder.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from automl_tf.search.samplers.priors import LEARNING_RATE, Costs, Growth
from derive_prior import derived, usable
from hpo_tables import HpoTable, read_tables

COSTS = Path(__file__).parents[1] / "automl_tf" / "search" / "samplers" / "costs.yaml"
COLUMNS = {"latency": "dev_gpu_time", "num_parameters": "num_param"}
"""Columns of the tables by the objective that they tell of."""
ENCODER, DECODER = "model.encoder_layers", "model.decoder_layers"
ENCODER_SHARE = {"latency": 0.1, "num_parameters": 0.43}
"""Of a doubling of both depths. The encoder runs once a sentence, the decoder once a token; of the
parameters of two layers with a feed-forward width of four times the model's, 12 in 28 are the
encoder's (Vaswani et al. 2017, section 3)."""
LEAST = 0.04
"""Growth below which a setting is left out: it is noise."""


def derive_costs(tables: Iterable[HpoTable]) -> Costs:
    """The growth of each cost, from tables that tell of it."""
    known = list(tables)
    return {
        cost: _growth(cost, [table for table in known if column in table.costs])
        for cost, column in COLUMNS.items()
    }


def _growth(cost: str, tables: Iterable[HpoTable]) -> Growth:
    slopes: dict[str, list[float]] = {}
    for table in tables:
        rows = table.configurations()
        left_out = (DECODER, LEARNING_RATE)
        names = [n for n in rows[0] if n not in left_out and len({row[n] for row in rows}) > 1]
        doublings = np.log2([[row[name] for name in names] for row in rows])
        logs = np.log(table.costs[COLUMNS[cost]])
        standard = (logs - logs.mean()) / logs.std()
        design = np.column_stack([np.ones(len(rows)), doublings])
        fitted, *_ = np.linalg.lstsq(design, standard, rcond=None)
        for name, slope in zip(names, fitted[1:], strict=True):
            slopes.setdefault(name, []).append(float(slope))
    growth = {name: float(np.mean(found)) for name, found in slopes.items()}
    if ENCODER in growth:
        both = growth[ENCODER]
        growth[ENCODER] = ENCODER_SHARE[cost] * both
        growth[DECODER] = both - growth[ENCODER]
    return {name: slope for name, slope in growth.items() if abs(slope) >= LEAST}


def to_yaml(costs: Costs, names: Iterable[str]) -> str:
    """The file of what is known of costs."""
    lines = [
        "# What a doubling of each setting adds to the logarithm of a cost, in standard deviations",
        "# of that logarithm among the configurations of a space.",
        f"# Derived by benchmarks/derive_costs.py from {', '.join(names)} (Zhang and Duh 2020).",
    ]
    for cost, growth in costs.items():
        lines.append(f"{cost}:")
        lines += [f"  {name}: {slope:.2f}" for name, slope in growth.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes or prints the figures."""
    derived(__doc__, COSTS, _file)


def _file(folder: Path) -> str:
    tables = usable(read_tables(folder, {}))
    return to_yaml(derive_costs(tables.values()), tables)


if __name__ == "__main__":
    main()
