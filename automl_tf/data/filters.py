"""Which training pairs are left out, and how many for which reason.

Only the training split is filtered. BLEU is computed on every pair of the other splits.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_tf.config.settings import DataConfig
from automl_tf.errors import Place, UserError

_REMEDIES = {
    "empty": ("corpus.train", "Check that both sides of the training split hold text."),
    "duplicate": ("data.deduplicate", "Set data.deduplicate to false to keep repeated pairs."),
    "in_validation_or_test": (
        "data.deduplicate",
        "Take other pairs for validation and test, or set data.deduplicate to false.",
    ),
    "too_long": ("data.max_length", "Raise data.max_length or data.vocab_size."),
    "ratio": ("data.max_ratio", "Check that the two sides are aligned, or raise data.max_ratio."),
}


@dataclass(frozen=True)
class FilterReport:
    """Numbers of training pairs; each pair counts once, under the first reason that holds.

    Attributes:
        kept: Pairs to train on.
        empty: Pairs with a side that has no text.
        duplicate: Pairs that stood before.
        in_validation_or_test: Pairs whose source or target stands in validation or test.
        too_long: Pairs with a side of more than data.max_length subwords.
        ratio: Pairs of which one side has more than data.max_ratio times the other's subwords.
    """

    kept: int
    empty: int = 0
    duplicate: int = 0
    in_validation_or_test: int = 0
    too_long: int = 0
    ratio: int = 0

    @property
    def left_out(self) -> dict[str, int]:
        """How many pairs were left out for each reason that left out any."""
        return {name: n for name, n in dataclasses.asdict(self).items() if n and name != "kept"}

    def __str__(self) -> str:
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in self.left_out.items())
        return f"{self.kept:,} training pairs" + (f" (left out: {counts})" if counts else "")

    def demand_some(self) -> None:
        """Checks that pairs are left.

        Raises:
            UserError: If none is, with the counts and the setting behind the largest.
        """
        if self.kept:
            return
        left_out = self.left_out
        counts = ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in left_out.items())
        key, remedy = _REMEDIES[max(left_out, key=lambda name: left_out[name])]
        raise UserError(
            f"All {sum(left_out.values())} training pairs were filtered away ({counts}).",
            remedy,
            Place(key=key),
        )


def filter_by_text(
    sources: Sequence[str],
    targets: Sequence[str],
    held_out: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    deduplicate: bool,
) -> tuple[list[int], FilterReport]:
    """Leaves out empty, repeated and leaked training pairs.

    Args:
        sources: Normalised source sentences of the training split.
        targets: Their normalised translations.
        held_out: Normalised sources and targets of each of the other splits.
        deduplicate: Whether repeated and leaked pairs are left out.

    Returns:
        The kept pairs' indices, and the counts.
    """
    held_sources: set[str] = set()
    held_targets: set[str] = set()
    if deduplicate:
        for split_sources, split_targets in held_out:
            held_sources.update(split_sources)
            held_targets.update(split_targets)
    seen: set[tuple[str, str]] = set()
    kept: list[int] = []
    empty = duplicate = leaked = 0
    for index, pair in enumerate(zip(sources, targets, strict=True)):
        if not all(pair):
            empty += 1
        elif pair in seen:
            duplicate += 1
        elif pair[0] in held_sources or pair[1] in held_targets:
            leaked += 1
        else:
            kept.append(index)
            if deduplicate:
                seen.add(pair)
    return kept, FilterReport(len(kept), empty, duplicate, leaked)


def filter_by_length(
    source_lengths: npt.NDArray[np.int64],
    target_lengths: npt.NDArray[np.int64],
    data: DataConfig,
    report: FilterReport,
) -> tuple[npt.NDArray[np.int64], FilterReport]:
    """Leaves out training pairs that are too long or too unequal.

    Args:
        source_lengths: Lengths of the sources in subwords, none of them zero.
        target_lengths: Lengths of the targets in subwords, none of them zero.
        data: The limits.
        report: The counts so far.

    Returns:
        The kept pairs' indices, and the counts.
    """
    longer = np.maximum(source_lengths, target_lengths)
    too_long = longer > data.max_length
    unequal = longer > data.max_ratio * np.minimum(source_lengths, target_lengths)
    kept = np.flatnonzero(~too_long & ~unequal)
    return kept, dataclasses.replace(
        report,
        kept=len(kept),
        too_long=int(too_long.sum()),
        ratio=int((unequal & ~too_long).sum()),
    )
