"""Parts of an input that is longer than what a model was trained on.

A source is divided between its subwords, so that every subword is in exactly one part, and at the
best place that there is: after a sentence, else after a clause, else between words, else between
subwords.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum

from automl_tf.data.text import HEX_DIGITS, WORD_MARK

CLOSERS = "\"')]}»›”’」』】）"
"""What may stand between the mark at the end of a sentence and the sentence's end."""
SENTENCE_MARKS, CLAUSE_MARKS = ".!?…", ",;:–—"
"""Marks that end something before a blank alone: they also stand in numbers and names."""
UNSPACED_SENTENCE_MARKS, UNSPACED_CLAUSE_MARKS = "。！？｡．؟۔।॥።፧။។៕།։", "、，；：､،؛፣၊་"
"""Marks that end something whatever follows."""

# Thai, Lao; Tibetan; Burmese; Khmer; Chinese and Japanese with their marks; the rare ideographs.
_UNSPACED_SCRIPT = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
# A mark and its closers may be several subwords.
_LONGEST_MARK = 4


class Boundary(IntEnum):
    """What ends between two subwords, the best place to divide last."""

    DIGIT_OF_CHARACTER = 0
    SUBWORD = 1
    WORD = 2
    CLAUSE = 3
    SENTENCE = 4


def split_to_fit(ids: Sequence[int], pieces: Sequence[str], longest: int) -> Iterator[list[int]]:
    """Yields the parts of a source; joined they are the source.

    Args:
        ids: Subword ids of the source.
        pieces: The subword of each id.
        longest: Most subwords of a part, 1 at least.
    """
    texts = [pieces[number] for number in ids]
    start = 0
    while len(ids) - start > longest:
        stops = range(start + 1, start + longest + 1)
        stop = max(stops, key=lambda stop: (_boundary(texts, stop), stop))
        yield list(ids[start:stop])
        start = stop
    yield list(ids[start:])


def _boundary(texts: Sequence[str], index: int) -> Boundary:
    """What ends before the subword of an index."""
    after = texts[index]
    before = "".join(texts[max(0, index - _LONGEST_MARK) : index])
    mark = before.rstrip(CLOSERS)[-1:]
    is_word = after.startswith(WORD_MARK)
    if mark and after[0] not in CLOSERS:
        if mark in UNSPACED_SENTENCE_MARKS or (is_word and mark in SENTENCE_MARKS):
            return Boundary.SENTENCE
        if mark in UNSPACED_CLAUSE_MARKS or (is_word and mark in CLAUSE_MARKS):
            return Boundary.CLAUSE
    if is_word:
        return Boundary.WORD
    # A character without a subword is spelled in several digits.
    is_inside = before[-1:] in HEX_DIGITS and after[0] in HEX_DIGITS
    return Boundary.DIGIT_OF_CHARACTER if is_inside else Boundary.SUBWORD


def join_parts(texts: Sequence[str]) -> str:
    """The translations of parts as one text, without a blank in scripts that have none."""
    joined = ""
    for text in filter(None, texts):
        is_unspaced = joined and (
            _UNSPACED_SCRIPT.match(joined[-1]) or _UNSPACED_SCRIPT.match(text[0])
        )
        joined += text if is_unspaced or not joined else f" {text}"
    return joined
