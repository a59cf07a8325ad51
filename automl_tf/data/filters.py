"""Which training pairs are left out, and how many for which reason.

Only the training split is filtered. BLEU is computed on every pair of the other splits.
"""

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_tf.config.settings import DataConfig
from automl_tf.data.pairs import Chunk, Pair
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
    training: Iterable[Chunk], held_out: Iterable[Chunk], *, deduplicate: bool
) -> tuple[npt.NDArray[np.bool_], FilterReport]:
    """Leaves out empty, repeated and leaked training pairs.

    Pairs are compared by 128-bit digests: two different ones among ten million are taken for equal
    with a probability of 1e-25.

    Args:
        training: Normalised pairs of the training split.
        held_out: Normalised pairs of the other splits.
        deduplicate: Whether repeated and leaked pairs are left out.

    Returns:
        Whether each training pair is kept, and the counts.
    """
    held_sources: set[str] = set()
    held_targets: set[str] = set()
    for chunk in held_out if deduplicate else ():
        held_sources.update(chunk.sources)
        held_targets.update(chunk.targets)
    reasons: list[npt.NDArray[np.int8]] = []
    digests: list[npt.NDArray[np.uint64]] = []
    for chunk in training:
        pairs = list(zip(*chunk, strict=True))
        found = [_reason(pair, held_sources, held_targets) for pair in pairs]
        reasons.append(np.array(found, dtype=np.int8))
        if deduplicate:
            left = (pair for pair, reason in zip(pairs, found, strict=True) if reason == _KEPT)
            digests.append(_digests(left))
    reason = np.concatenate(reasons)
    if deduplicate:
        kept = np.flatnonzero(reason == _KEPT)
        reason[kept[_stood_before(np.concatenate(digests))]] = _DUPLICATE
    counts = np.bincount(reason, minlength=len(_REASONS))
    return reason == _KEPT, FilterReport(**dict(zip(_REASONS, counts.tolist(), strict=True)))


_REASONS = ("kept", "empty", "duplicate", "in_validation_or_test")
_KEPT, _EMPTY, _DUPLICATE, _LEAKED = range(len(_REASONS))


def _reason(pair: Pair, held_sources: set[str], held_targets: set[str]) -> int:
    source, target = pair
    if not source or not target:
        return _EMPTY
    return _LEAKED if source in held_sources or target in held_targets else _KEPT


def _digests(pairs: Iterable[Pair]) -> npt.NDArray[np.uint64]:
    """128 bits for each pair, as two numbers."""
    # Normalised text has no line feed, so that one between the sides keeps them apart.
    hashed = [
        hashlib.blake2b(f"{source}\n{target}".encode(), digest_size=16).digest()
        for source, target in pairs
    ]
    return np.frombuffer(b"".join(hashed), dtype=np.uint64).reshape(-1, 2)


def _stood_before(digests: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Whether each row equals an earlier one."""
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[order]
    is_repeated = np.zeros(len(digests), dtype=bool)
    # The sort is stable: of equal rows the first one stays in front.
    is_repeated[order[1:]] = (ordered[1:] == ordered[:-1]).all(axis=1)
    return is_repeated


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
        report: The counts so far, these pairs among the kept ones.

    Returns:
        The kept pairs' indices, and the counts.
    """
    longer = np.maximum(source_lengths, target_lengths)
    too_long = longer > data.max_length
    unequal = longer > data.max_ratio * np.minimum(source_lengths, target_lengths)
    kept = np.flatnonzero(~too_long & ~unequal)
    return kept, dataclasses.replace(
        report,
        kept=report.kept - len(longer) + len(kept),
        too_long=report.too_long + int(too_long.sum()),
        ratio=report.ratio + int((unequal & ~too_long).sum()),
    )
