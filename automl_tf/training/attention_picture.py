"""Attention maps as one picture: SVG, which browsers show and which needs no drawing library."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from automl_tf.training.attention_map import AttentionMap
from automl_tf.training.events import Validation

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


def attention_picture(validation: Validation) -> str:
    """The picture of a validation that has maps."""
    title = f"Attention at step {validation.step}, BLEU {validation.scores.bleu:.2f}"
    return picture(validation.attention, title)


def picture(maps: Sequence[AttentionMap], title: str) -> str:
    """A picture of some maps, one below the other: source words across, target words down.

    Args:
        maps: The maps.
        title: What stands above them.
    """
    parts: list[str] = []
    width, top = 0.0, float(_MARGIN + _TITLE)
    for attention in maps:
        left = _MARGIN + _room(attention.target)
        top += _room(attention.source)
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
    """The words and the cells of one map, whose upper left cell is at a place."""
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
    """One path for all cells of a shade, which takes a tenth of the room of one element each."""
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


def _room(words: Sequence[str]) -> float:
    """Pixels that the longest of some words takes."""
    return LETTER * min(LONGEST_WORD, max(map(len, words))) + 10


def _shown(word: str) -> str:
    cut = word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"
    return escape(cut)
