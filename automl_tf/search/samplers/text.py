"""What is known of a training corpus before any trial."""

import math
import re
from dataclasses import dataclass

USUAL_PAIRS = 100_000
"""Sentence pairs that a corpus of unknown size is taken for."""
ENGLISH = ("en", "eng")


@dataclass(frozen=True)
class Text:
    """A training corpus, as far as it is known.

    Attributes:
        num_pairs: Sentence pairs.
        languages: Codes of the source and the target language.
    """

    num_pairs: int | None = None
    languages: tuple[str, str] | None = None

    @property
    def decades(self) -> float:
        """Decimal logarithm of its size over the usual one."""
        return math.log10((self.num_pairs or USUAL_PAIRS) / USUAL_PAIRS)

    @property
    def outward(self) -> float:
        """A half out of English, minus a half into it, zero between others or unknown ones."""
        if self.languages is None:
            return 0.0
        source, target = map(_is_english, self.languages)
        return (source - target) / 2


def _is_english(code: str) -> bool:
    return re.split("[-_]", code)[0].lower() in ENGLISH
