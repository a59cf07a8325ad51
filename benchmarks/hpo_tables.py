"""Tables of trained Transformers: a row for each configuration with its BLEU on dev.

The format is that of the tables by Zhang and Duh (2020): one CSV file for each language pair, with
the hyperparameters in columns of their own names, and ``dev_bleu``; some tell of costs too.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_tf.search.samplers.priors import CorpusInfo

PAIRS = {
    "sw-en": 24_000,
    "so-en": 24_000,
    "zh-en": 170_000,
    "ru-en": 180_000,
    "ja-en": 4_000_000,
    "en-ja": 4_000_000,
}
"""Sentence pairs of the training corpora (Zhang and Duh 2020, section 4)."""
SETTINGS = {
    "bpe": ("data.vocab_size",),
    "layers": ("model.encoder_layers", "model.decoder_layers"),
    "embed": ("model.d_model",),
    "ffn": ("model.d_ff",),
    "heads": ("model.num_heads",),
    "lr": ("training.learning_rate",),
}
"""Our settings for the columns of a table; other columns keep their names."""
PEAK = 2.0
"""Peak of a learning rate that warms up and falls, over a constant one that serves as well: Vaswani
et al. (2017, section 5.3) peak at 0.36 / d_model for their base model, the tables are best at half
of that."""
BLEU = "dev_bleu"
COSTS = ("dev_gpu_time", "num_param")
NO_SETTINGS = ("pair", "status")


@dataclass(frozen=True)
class HpoTable:
    """All configurations of one corpus.

    Attributes:
        name: Name of the corpus.
        num_pairs: Sentence pairs of its training part, if known.
        rows: The columns that vary, as numbers or names, row by row.
        bleu: BLEU of each row.
        costs: The columns that tell of costs, if the table has them.
    """

    name: str
    num_pairs: int | None
    rows: list[dict[str, Any]]
    bleu: NDArray[np.float64]
    costs: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def text(self) -> CorpusInfo:
        """The corpus; a table is named after its languages."""
        source, _, target = self.name.partition("-")
        return CorpusInfo(self.num_pairs, (source, target))

    def choices(self) -> dict[str, list[Any]]:
        """The values of each column, in ascending order."""
        return {column: sorted({row[column] for row in self.rows}) for column in self.rows[0]}

    def configurations(self) -> list[dict[str, Any]]:
        """The rows in our settings; a column that stands for two settings gives both."""
        return [
            {name: value for column, value in row.items() for name, value in ours(column, value)}
            for row in self.rows
        ]


def ours(column: str, value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - a number or a name
    """A cell of a table in our settings."""
    if column == "lr" and isinstance(value, float):
        value *= PEAK
    return [(name, value) for name in SETTINGS.get(column, (column,))]


def read_tables(folder: Path, sizes: Mapping[str, int]) -> dict[str, HpoTable]:
    """The tables of a folder by name.

    Args:
        folder: Where ``PAIR.csv`` files lie.
        sizes: Sentence pairs of corpora beside the known ones.
    """
    known = {**PAIRS, **sizes}
    paths = sorted(folder.glob("*.csv"))
    return {path.stem: _read(path, known.get(path.stem)) for path in paths}


def searched_rows(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What varies between runs, as numbers or names: the columns before their BLEU."""
    names = list(runs[0])
    searched = [name for name in names[: names.index(BLEU)] if name not in NO_SETTINGS]
    rows = [{name: _value(str(run[name])) for name in searched} for run in runs]
    constant = {name for name in searched if len({row[name] for row in rows}) == 1}
    kept = [name for name in searched if name not in constant or name in SETTINGS]
    return [{name: row[name] for name in kept} for row in rows]


def _read(path: Path, num_pairs: int | None) -> HpoTable:
    with path.open() as file:
        cells = list(csv.DictReader(file))
    bleu = np.array([float(row[BLEU]) for row in cells])
    costs = {
        name: np.array([float(row[name]) for row in cells]) for name in COSTS if name in cells[0]
    }
    return HpoTable(path.stem, num_pairs, searched_rows(cells), bleu, costs)


def _value(text: str) -> float | int | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and number >= 1 else number
