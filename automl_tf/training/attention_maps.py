"""Attention maps: the source words that a model attends to while it translates, and their picture.

The picture is SVG, which browsers show and which needs no drawing library.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import BOS, EOS, PAD, SPECIALS, Subwords
from automl_tf.data.text import WORD_MARK, read_spelling
from automl_tf.model.transformer import Transformer

NUM_MAPS = 3
LONGEST_SOURCE = 24
LONGEST_TARGET = 32
"""Subwords that fit in a picture; an untrained model repeats itself without end."""

CONTINUES = "·"
"""Stands before a subword that continues a word."""

ATTENTION = "attention.svg"
"""Name of the picture among a run's artifacts."""

CELL = 22
"""Width and height of a weight, in pixels."""

LETTER = 7.2
"""Width of a letter of the words beside the cells, in pixels, on average."""

LONGEST_WORD = 18
"""Letters of a word that are shown."""

LEVELS = 20
"""Shades of a weight; those of the lowest are left white."""

_MARGIN = 16
_TITLE = 60
_STYLE = (
    "text{font:12px sans-serif;fill:#222}"
    ".title{font-size:14px;font-weight:600}"
    ".note{fill:#555}"
    ".frame{fill:none;stroke:#ccc}"
    ".weights{fill:#08519c}"
)

_NOTES = (
    "Down: subwords of the model's own translation. Across: those of the source.",
    "The darker, the more weight: last decoder layer, mean over its heads.",
)


@dataclass(frozen=True)
class AttentionMap:
    """The attention of the last decoder layer over the encoder's output, a mean over its heads.

    Attributes:
        source: The source's subwords as a person reads them, its end symbol last.
        target: Those of the model's own translation, likewise unless it is too long to be shown.
        weights: A row for each subword of the target with its weight on each of the source.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]


def chosen_sentences(data: PreparedData, longest: int = LONGEST_SOURCE) -> list[int]:
    """Returns the positions of the first sentences of the validation split that fit in a picture.

    Args:
        data: The prepared corpus.
        longest: Most subwords of a source, its end symbol not counted.
    """
    lengths = data.validation.source.lengths
    return [int(index) for index in np.flatnonzero((lengths > 1) & (lengths <= longest))[:NUM_MAPS]]


def attention_maps(
    model: Transformer, data: PreparedData, hypotheses: Sequence[Sequence[int]]
) -> tuple[AttentionMap, ...]:
    """Returns the maps of the sentences that ``chosen_sentences`` returns.

    Args:
        model: The model, in evaluation mode.
        data: The corpus that it was validated on.
        hypotheses: Its translations of the first sentences of the validation split, ids without
            end symbols.
    """
    limit = model.length_limit or max(LONGEST_SOURCE + 1, LONGEST_TARGET)
    longest = min(LONGEST_SOURCE + 1, limit), min(LONGEST_TARGET, limit)
    chosen = [index for index in chosen_sentences(data, longest[0] - 1) if index < len(hypotheses)]
    if not chosen:
        return ()
    sources = [[*data.validation.source[index].tolist(), EOS] for index in chosen]
    targets = [[*hypotheses[index], EOS][: longest[1]] for index in chosen]
    # Always the same shape: kernels are made for each new one, which takes longer than they run.
    source_BS = _padded(sources, longest[0])
    target_BT = _padded([[BOS, *target[:-1]] for target in targets], longest[1])
    device = model.target_embedding.weight.device
    weights_BTS = model.source_weights(source_BS.to(device), target_BT.to(device)).float().cpu()
    return tuple(
        AttentionMap(
            _words(data.vocabulary.source, source),
            _words(data.vocabulary.target, target),
            tuple(tuple(row) for row in weights_TS[: len(target), : len(source)].tolist()),
        )
        for source, target, weights_TS in zip(sources, targets, weights_BTS, strict=True)
    )


def _padded(sentences: Sequence[Sequence[int]], length: int) -> Tensor:
    """Returns sentences as one matrix, padded at their end."""
    return torch.tensor([[*ids, *[PAD] * (length - len(ids))] for ids in sentences])


def _words(subwords: Subwords, ids: Sequence[int]) -> tuple[str, ...]:
    return tuple(readable(subwords.pieces[index]) for index in ids)


def readable(piece: str) -> str:
    """Returns a subword as a person reads it by itself."""
    if piece in (*SPECIALS, WORD_MARK):
        return piece
    # A digit of a spelled character says nothing alone.
    text = read_spelling(piece) or "?"
    return text if piece.startswith(WORD_MARK) else f"{CONTINUES}{text}"


def attention_picture(maps: Sequence[AttentionMap], title: str) -> str:
    """Returns a picture of the maps, one below the other: source words across, target words down.

    Args:
        maps: The maps.
        title: Its title.
    """
    parts: list[str] = []
    width, top = 0.0, float(_MARGIN + _TITLE)
    for attention in maps:
        left = _MARGIN + _width(attention.target)
        top += _width(attention.source)
        parts += _drawn(attention, left, top)
        width = max(width, left + CELL * len(attention.source) + LONGEST_WORD * LETTER / 2)
        top += CELL * len(attention.target) + 2 * _MARGIN
    width = max(width, _MARGIN * 2 + LETTER * max(map(len, (title, *_NOTES))))
    notes = (
        f'<text class="note" x="{_MARGIN}" y="{_MARGIN + 32 + 16 * line}">{note}</text>'
        for line, note in enumerate(_NOTES)
    )
    size = f'width="{width:.0f}" height="{top:.0f}" viewBox="0 0 {width:.0f} {top:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text class="title" x="{_MARGIN}" y="{_MARGIN + 12}">{escape(title)}</text>',
            *notes,
            *parts,
            "</svg>",
            "",
        ]
    )


def _drawn(attention: AttentionMap, left: float, top: float) -> Iterator[str]:
    """Yields the words and the cells of one map; its upper left cell is at (left, top)."""
    for column, word in enumerate(attention.source):
        x = left + CELL * (column + 0.5) + 4
        yield (
            f'<text x="{x:.0f}" y="{top - 5:.0f}" '
            f'transform="rotate(-60 {x:.0f} {top - 5:.0f})">{_shown(word)}</text>'
        )
    for row, word in enumerate(attention.target):
        y = top + CELL * (row + 0.5) + 4
        yield f'<text x="{left - 6:.0f}" y="{y:.0f}" text-anchor="end">{_shown(word)}</text>'
    width, height = CELL * len(attention.source), CELL * len(attention.target)
    yield from _cells(attention, left, top)
    yield (f'<rect class="frame" x="{left:.0f}" y="{top:.0f}" width="{width}" height="{height}"/>')


def _cells(attention: AttentionMap, left: float, top: float) -> Iterator[str]:
    """Yields one path for all cells of a shade: a tenth of the size of one element for each."""
    shades = sorted(
        (round(weight * LEVELS), row, column)
        for row, weights in enumerate(attention.weights)
        for column, weight in enumerate(weights)
    )
    for shade, cells in groupby(shades, key=lambda cell: cell[0]):
        if shade == 0:
            continue
        squares = "".join(
            f"M{left + CELL * column:.0f} {top + CELL * row:.0f}h{CELL}v{CELL}h-{CELL}z"
            for _, row, column in cells
        )
        yield f'<path class="weights" fill-opacity="{shade / LEVELS:.2f}" d="{squares}"/>'


def _width(words: Sequence[str]) -> float:
    """Returns the width of the longest word, in pixels."""
    return LETTER * min(LONGEST_WORD, max(map(len, words))) + 10


def _shown(word: str) -> str:
    cut = word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"
    return escape(cut)
