"""Derives the prior of ``sampler: {kind: auto}`` from tables of trained Transformers.

    python benchmarks/derive_prior.py FOLDER          # writes automl_tf/search/samplers/prior.yaml
    python benchmarks/derive_prior.py FOLDER --print

The best value of each setting and the loss around it are fitted by least squares to the BLEU of all
configurations, in standard deviations within their corpus. What the literature says is where the
fit starts from and what it is drawn to; Table 3 of Vaswani et al. (2017) is one corpus more. Each
corpus counts like ``CORPUS_WEIGHT`` independent rows, however long its table: other corpora are
what the prior is for.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from automl_tf.search.samplers.gp import clip_low_scores
from automl_tf.search.samplers.priors import (
    LINEAR_IN_TENTHS,
    LONG_TRAINING,
    PRODUCT,
    USUAL_PAIRS,
    CorpusInfo,
    Optimum,
    expected,
)
from hpo_curves import read_stopped
from hpo_tables import HpoTable, read_tables

PRIOR = Path(__file__).parents[1] / "automl_tf" / "search" / "samplers" / "prior.yaml"
CORPUS_WEIGHT = 15.0
MISFIT = 0.6
"""Standard deviations of BLEU that the wells leave unexplained."""
SHORT = (1, 2, 4)
"""Checkpoints after which runs are looked at to see what short trainings ask for."""
UNSURE_BEST, UNSURE_GROWTH, UNSURE_DIRECTION, UNSURE_SHORTNESS = 1.0, 0.5, 0.5, 0.5
"""Standard deviations of what is believed of a best value, in doublings or tenths: of the value,
and of what ten times the pairs, the direction and shortness add to it. Losses are unsure by as much
as they are large. The literature tells no direction from another."""
RATE_POWER = 0.125
"""A training of so many times fewer tokens has its best learning rate higher by that number to this
power (Bi et al. 2024, "DeepSeek LLM", section 3.1, of compute)."""
LATE = (PRODUCT, "model.encoder_layers", "model.decoder_layers")
"""What pays late where learning rates do not warm up, as in the tables: high rates, and depth
(Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture", section 3)."""
WORDS_A_SENTENCE = 25
TIMES_SEEN, CLASSES_SEEN = 100, 0.95
"""Gowda and May (2020): the largest vocabulary of which 95 % are seen a hundred times."""


@dataclass(frozen=True)
class Belief:
    """What is believed of a setting before any table is read.

    Attributes:
        best: Best value for 100,000 pairs.
        per_tenfold: What ten times the pairs add, in doublings or tenths.
        per_shortness: What a training of a tenth of the tokens adds, below a long training.
        below: Loss per squared doubling or tenth below it.
        above: The same above it.
        source: Where this comes from.
    """

    best: float
    per_tenfold: float
    per_shortness: float
    below: float
    above: float
    source: str


def vocabulary(num_pairs: float) -> float:
    """The vocabulary of which most classes are seen often enough, under Zipf's law."""
    often = WORDS_A_SENTENCE * num_pairs / TIMES_SEEN / CLASSES_SEEN
    size = often
    for _ in range(100):  # V log V = tokens / (100 * 0.95)
        size = often / math.log(size)
    return size


def literature() -> dict[str, Belief]:
    """What the literature says of each setting."""
    few, many = 24_000.0, 4_000_000.0
    growth = math.log2(vocabulary(many) / vocabulary(few)) / math.log10(many / few)
    shapes = "Vaswani et al. 2017, Table 3 (C), for 4.5 M pairs; smaller for less text"
    dropout = "Araabi and Monz 2020, section 4; Vaswani et al. 2017, Table 3 (D)"
    rate = "Vaswani et al. 2017, section 5.3; Yang et al. 2022; Bi et al. 2024, section 3.1"
    depth = "Vaswani et al. 2017, Table 3 (C); van Biljon et al. 2020: low to moderate for less"
    return {
        "data.vocab_size": Belief(
            vocabulary(USUAL_PAIRS), growth, 0.0, 0.3, 0.3, "Gowda and May 2020; Ding et al. 2019"
        ),
        "model.d_model": Belief(512, 0.5, 0.0, 0.3, 0.3, shapes),
        "model.d_ff": Belief(1448, 0.5, 0.0, 0.1, 0.1, shapes),
        "model.encoder_layers": Belief(4, 0.3, 0.0, 0.15, 0.15, depth),
        "model.decoder_layers": Belief(4, 0.3, 0.0, 0.15, 0.15, depth),
        "model.num_heads": Belief(8, 0.0, 0.0, 0.1, 0.1, "Vaswani et al. 2017, Table 3 (A)"),
        PRODUCT: Belief(0.36, 0.0, RATE_POWER * math.log2(10), 0.3, 1.0, rate),
        "model.dropout": Belief(0.2, -0.9, 0.0, 0.2, 0.1, dropout),
        "training.label_smoothing": Belief(
            0.2, -0.5, 0.0, 0.1, 0.1, "Araabi and Monz 2020; Vaswani et al. 2017, Table 3 (D)"
        ),
    }


BASE = {
    "data.vocab_size": 37_000,
    "model.encoder_layers": 6,
    "model.decoder_layers": 6,
    "model.d_model": 512,
    "model.d_ff": 2048,
    "model.num_heads": 8,
    "model.dropout": 0.1,
    "training.label_smoothing": 0.1,
}
WMT14 = CorpusInfo(4_500_000, ("en", "de"))
TABLE_3: tuple[tuple[dict[str, float], float], ...] = (
    ({}, 25.8),
    ({"model.num_heads": 1}, 24.9),
    ({"model.num_heads": 4}, 25.5),
    ({"model.num_heads": 16}, 25.8),
    ({"model.num_heads": 32}, 25.4),
    ({"model.encoder_layers": 2, "model.decoder_layers": 2}, 23.7),
    ({"model.encoder_layers": 4, "model.decoder_layers": 4}, 25.3),
    ({"model.encoder_layers": 8, "model.decoder_layers": 8}, 25.5),
    ({"model.d_model": 256}, 24.5),
    ({"model.d_model": 1024}, 26.0),
    ({"model.d_ff": 1024}, 25.4),
    ({"model.d_ff": 4096}, 26.2),
    ({"model.dropout": 0.0}, 24.6),
    ({"model.dropout": 0.2}, 25.5),
    ({"training.label_smoothing": 0.0}, 25.3),
    ({"training.label_smoothing": 0.2}, 25.7),
)
"""BLEU on newstest2013 of the rows that vary our settings (Vaswani et al. 2017, Table 3)."""


@dataclass(frozen=True)
class Corpus:
    """Configurations of one corpus.

    Attributes:
        settings: Settings by dotted path, one value a configuration.
        scores: BLEU in standard deviations.
        text: What it is.
    """

    settings: Mapping[str, NDArray[np.float64]]
    scores: NDArray[np.float64]
    text: CorpusInfo


@dataclass(frozen=True)
class Known:
    """Tables of Transformers trained from scratch, on corpora of known size.

    Attributes:
        tables: The tables.
        stopped: The same, had they been trained for less, a table for each length.
    """

    tables: Sequence[HpoTable]
    stopped: Sequence[HpoTable]

    def without(self, *names: str) -> "Known":
        """What is known of other corpora."""
        return Known(
            [table for table in self.tables if table.name not in names],
            [table for table in self.stopped if table.name not in names],
        )


def derive(known: Known) -> dict[str, Optimum]:
    """The wells that fit tables and literature best, and how they move in short trainings.

    The second follows from the first: how long trainings end says more of a configuration than how
    short ones do, so that these have no part in it.

    Args:
        known: What they are to fit.
    """
    beliefs = literature()
    unsure = (UNSURE_BEST, UNSURE_GROWTH, UNSURE_DIRECTION)
    corpora = [_paper(), *(_corpus(table) for table in known.tables)]
    long = _fitted(
        np.array([[0.0, b.per_tenfold, 0.0, b.below, b.above] for b in beliefs.values()]),
        np.array([[*unsure, b.below, b.above] for b in beliefs.values()]),
        lambda rows: {
            name: _well(belief, name, *row)
            for (name, belief), row in zip(beliefs.items(), rows, strict=True)
        },
        corpora,
        losses_from=3,
    )
    short = _fitted(
        np.array([[b.per_shortness] for b in beliefs.values()]),
        np.full((len(beliefs), 1), UNSURE_SHORTNESS),
        lambda rows: {
            name: replace(well, per_shortness=float(shortness))
            for (name, well), [shortness] in zip(long.items(), rows, strict=True)
        },
        [_corpus(table) for table in known.stopped],
    )
    # What the fit blames these for is left out after it, so that it is blamed on nothing else.
    believed = {
        name: replace(short[name], per_shortness=beliefs[name].per_shortness) for name in LATE
    }
    return {**short, **believed}


def _fitted(
    centre: NDArray[np.float64],
    unsure: NDArray[np.float64],
    wells: Callable[[NDArray[np.float64]], dict[str, Optimum]],
    corpora: Sequence[Corpus],
    losses_from: int | None = None,
) -> dict[str, Optimum]:
    """The wells whose figures fit corpora best.

    Args:
        centre: What is believed of the figures, a row a setting.
        unsure: Standard deviations of that.
        wells: The wells of such figures.
        corpora: The configurations with their scores.
        losses_from: The column from which on figures are losses, which are positive.
    """

    def misfits(figures: NDArray[np.float64]) -> NDArray[np.float64]:
        fitted = wells(figures.reshape(centre.shape))
        parts = [(figures - centre.ravel()) / unsure.ravel()]
        for corpus in corpora:
            off = corpus.scores - expected(fitted, corpus.settings, corpus.text)
            share = math.sqrt(CORPUS_WEIGHT / len(off)) / MISFIT
            parts.append((off - off.mean()) * share)
        return np.concatenate(parts)

    lowest = np.full(centre.shape, -np.inf)
    if losses_from is not None:
        lowest[:, losses_from:] = 0.0
    fit = least_squares(misfits, centre.ravel(), bounds=(lowest.ravel(), np.inf))
    return wells(fit.x.reshape(centre.shape))


def _well(belief: Belief, name: str, *figures: float) -> Optimum:
    moved, per_tenfold, outward, below, above = (float(figure) for figure in figures)
    best = belief.best + moved / 10 if name in LINEAR_IN_TENTHS else belief.best * 2**moved
    return Optimum(best, per_tenfold, outward, belief.per_shortness, below, above)


def _paper() -> Corpus:
    rows = [{**BASE, **changes} for changes, _ in TABLE_3]
    settings = {name: np.array([float(row[name]) for row in rows]) for name in BASE}
    # The paper's schedule peaks at (d_model * warm-up) ** -0.5.
    settings["training.learning_rate"] = (settings["model.d_model"] * 4000) ** -0.5
    return Corpus(settings, _standard(np.array([bleu for _, bleu in TABLE_3])), WMT14)


def _corpus(table: HpoTable) -> Corpus:
    assert table.num_pairs is not None, f"the size of {table.name} is not known"
    rows = table.configurations()
    settings = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    return Corpus(settings, _standard(table.bleu), table.text)


def _standard(bleu: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = clip_low_scores(bleu)
    standard: NDArray[np.float64] = (raised - raised.mean()) / raised.std()
    return standard


def usable(tables: Mapping[str, HpoTable]) -> dict[str, HpoTable]:
    """The tables of Transformers trained from scratch."""
    return {
        name: table
        for name, table in tables.items()
        if table.num_pairs is not None and "embed" in table.rows[0]
    }


def to_yaml(wells: Mapping[str, Optimum], names: Iterable[str]) -> str:
    """The file of a prior."""
    head = f"""\
# Where BLEU is best, and what is lost around it: the prior of sampler {{kind: auto}}.
# Derived by benchmarks/derive_prior.py from {", ".join(names)} (Zhang and Duh 2020)
# and from the literature that is named below.
#   best            for a training corpus of {USUAL_PAIRS:,} sentence pairs
#   per_tenfold     what ten times the pairs add to it, in doublings (of dropout and label
#                   smoothing: in tenths)
#   out_of_english  what translating out of English adds, over translating into it; best lies
#                   between the two
#   per_shortness   what a training of a tenth of the tokens adds, below {LONG_TRAINING:,.0f} tokens
#   loss_below      standard deviations of BLEU, among configurations of a corpus, that one squared
#   loss_above      doubling (tenth) costs near the best value; far from it, twice that a doubling
"""
    beliefs = literature()
    lines = [head]
    for name, well in wells.items():
        lines.append(f"# {beliefs[name].source}")
        figures: dict[str, Any] = {
            "best": float(f"{well.best:.3g}"),
            "per_tenfold": round(well.per_tenfold, 2),
            "out_of_english": round(well.out_of_english, 2),
            "per_shortness": round(well.per_shortness, 2),
            "loss_below": round(well.loss_below, 2),
            "loss_above": round(well.loss_above, 2),
        }
        body = ", ".join(f"{key}: {value:g}" for key, value in figures.items())
        lines.append(f"{name}: {{{body}}}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes or prints the prior."""
    derived(__doc__, PRIOR, _file)


def read_known(folder: Path, sizes: Mapping[str, int]) -> Known:
    """What a folder has to derive a prior from.

    Args:
        folder: Where ``PAIR.csv`` and ``PAIR.curves.jsonl`` files lie.
        sizes: Sentence pairs of corpora beside the known ones.
    """
    stopped = tuple(
        table for length in SHORT for table in usable(read_stopped(folder, sizes, length)).values()
    )
    return Known(tuple(usable(read_tables(folder, sizes)).values()), stopped)


def _file(folder: Path) -> str:
    known = read_known(folder, {})
    return to_yaml(derive(known), [table.name for table in known.tables])


def derived(story: str, path: Path, make: Callable[[Path], str]) -> None:
    """The program of a script that derives a file from the tables.

    Args:
        story: The script's own docstring.
        path: The file.
        make: What stands in it, given the folder of the tables.
    """
    parser = argparse.ArgumentParser(description=story.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where PAIR.csv and PAIR.curves.jsonl files lie")
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    text = make(options.folder)
    if options.print:
        print(text)
    else:
        path.write_text(text)
        print(f"Written: {path}")


if __name__ == "__main__":
    main()
