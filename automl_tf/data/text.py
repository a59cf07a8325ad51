"""What the model sees of a text: normalisation, and a spelling for characters without a subword.

A character that is not in the alphabet of a vocabulary is spelled as the hexadecimal digits of its
UTF-8 bytes. The sixteen digits are Unicode noncharacters, which normalisation removes from every
text, so that a spelling can never be confused with what somebody wrote. Sixteen subwords are thus
enough to lose no character of any script, where one for each byte would take 256.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

WORD_MARK = "▁"
"""Stands for the space before a word, as in SentencePiece (Kudo and Richardson 2018)."""

_FIRST_DIGIT = 0xFDD0
HEX_DIGITS = tuple(chr(_FIRST_DIGIT + digit) for digit in range(16))
"""The digits of spelled characters: U+FDD0 to U+FDDF."""

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
# Control characters, separators but the space, zero-width space, byte order mark, lone surrogates.
_ODD = (
    "\x00-\x1f\x7f-\xa0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff\ud800-\udfff"
    f"{_NONCHARACTERS}"
)
_IRREGULAR = re.compile(f"[{_ODD}]|  ")
_BLANK = re.compile(f"[ {_ODD}]+")
_SPELLED = re.compile(f"[{HEX_DIGITS[0]}-{HEX_DIGITS[-1]}]+")
_TO_DIGITS = str.maketrans("0123456789abcdef", "".join(HEX_DIGITS))
_FROM_DIGITS = str.maketrans("".join(HEX_DIGITS), "0123456789abcdef")


def normalize(text: str) -> str:
    """The text in Unicode form NFC with single spaces and without control characters.

    Applied to whatever a model reads or learns to write, never to references that BLEU is computed
    on. Joiners (U+200C, U+200D) stay: scripts of India and Persia, and emoji, need them.
    """
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return _with_single_spaces(text)


def frequent_characters(texts: Iterable[str], most: int) -> list[str]:
    """The characters of normalised texts that get a subword of their own, in code point order.

    A character that occurs once is left to its spelling, so that the digits are trained too.

    Args:
        texts: Normalised text.
        most: How many characters at most.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    for own in (" ", WORD_MARK):
        counts.pop(own, None)
    repeated = [character for character, count in counts.items() if count > 1]
    return sorted(sorted(repeated, key=lambda character: (-counts[character], character))[:most])


class Alphabet:
    """The characters that stand for themselves; all others are spelled.

    Args:
        characters: The characters, neither space nor word mark among them.
    """

    def __init__(self, characters: Iterable[str]) -> None:
        self.characters = frozenset(characters) - {" ", WORD_MARK}
        allowed = "".join(map(re.escape, sorted(self.characters)))
        self._unknown = re.compile(f"[^ {allowed}]")

    def spell(self, text: str) -> str:
        """Normalised text with a mark before each word and unknown characters spelled."""
        if not text:
            return ""
        return WORD_MARK + self._unknown.sub(_digits, text).replace(" ", WORD_MARK)


def read_spelling(spelled: str) -> str:
    """The text behind marks and digits; inverse to :meth:`Alphabet.spell`.

    A model may write any digits. Those that are no UTF-8 become U+FFFD, those of a line break or
    another control character a space: the text is always one line.
    """
    return _with_single_spaces(_SPELLED.sub(_character, spelled.replace(WORD_MARK, " ")))


def _with_single_spaces(text: str) -> str:
    """The text without control characters, and with one space between words."""
    if _IRREGULAR.search(text):
        text = _BLANK.sub(" ", text)
    return text.strip(" ")


def _digits(match: re.Match[str]) -> str:
    return match[0].encode("utf-8").hex().translate(_TO_DIGITS)


def _character(match: re.Match[str]) -> str:
    digits = match[0].translate(_FROM_DIGITS)
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("utf-8", errors="replace")
