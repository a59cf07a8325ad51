"""References on which BLEU says little: what is wrong with them, and what to do about it."""

import re
from collections.abc import Sequence
from typing import Final

from automl_tf.data.text import normalize
from automl_tf.formatting import format_plural
from automl_tf.scoring.sentences import ORDERS
from automl_tf.scoring.tokenizers import BY_WORDS, bleu_tokenizer, load_tokenizer

MOST_READ = 2000
"""References that are looked at, the first."""
LONGEST_READ = 1000
"""Characters of a reference that are looked at, the first."""
LEAST_LONG = 0.1
"""Share of references of four tokens or more below which BLEU is hardly more than chance."""
MAINLY = 0.5
"""Share of the letters from which a text counts as written in a script."""
HARDLY = 0.05
"""Share of the letters up to which a script is that of quotations and names."""
LONGEST_WORD = {"ja": 4, "zh": 4}
"""Letters between two blanks, on average, up to which somebody has parted the words."""
LONGEST_OTHER_WORD = 10
"""The same of scripts that spell sounds one by one."""

_SCRIPTS: Final = {
    "ja": re.compile("[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"),
    "th": re.compile("[\u0e01-\u0e4e]"),
    "lo": re.compile("[\u0e81-\u0ecd]"),
    "bo": re.compile("[\u0f40-\u0fbc]"),
    "my": re.compile("[\u1000-\u109f\ua9e0-\ua9fe\uaa60-\uaa7f]"),
    "km": re.compile("[\u1780-\u17d3]"),
    "jv": re.compile("[\ua980-\ua9c0]"),
    "nod": re.compile("[\u1a20-\u1a7f]"),
}
"""Scripts without blanks between words, by the code of a language that is written in each."""
_NAMES: Final = {
    "ja": "Japanese",
    "zh": "Chinese",
    "th": "Thai",
    "lo": "Lao",
    "bo": "Tibetan",
    "my": "Burmese",
    "km": "Khmer",
    "jv": "Javanese",
    "nod": "Tai Tham",
}
_HANGUL: Final = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_CODES: Final = {"jv": "jv-Java"}
"""Codes to recommend where that of the language alone would not do."""


def remarks(references: Sequence[str], tokenizer: str, target_lang: str) -> list[str]:
    """Returns what makes BLEU say little on some references, each with its remedy.

    Args:
        references: The references of a split.
        tokenizer: Name of the tokenizer that BLEU counts with.
        target_lang: Code of the target language.
    """
    starts = (normalize(text[:LONGEST_READ]) for text in references[:MOST_READ])
    read = [text for text in starts if text]
    if not read:
        return []
    remark = (
        _of_script(read, tokenizer, target_lang)
        or _of_length(read, tokenizer)
        or _of_tokenized(read, tokenizer)
    )
    return [] if remark is None else [remark]


def _of_script(read: Sequence[str], tokenizer: str, target_lang: str) -> str | None:
    text = "\n".join(read)
    letters = sum(map(str.isalpha, text)) or 1
    counts = {code: len(script.findall(text)) for code, script in _SCRIPTS.items()}
    # Vowels of some scripts are marks, which Python does not count as letters.
    unspaced = sum(counts.values())
    share = unspaced / max(letters, unspaced)
    if tokenizer in BY_WORDS:
        script = max(counts, key=lambda code: counts[code])
        words = sum(_SCRIPTS[script].search(word) is not None for word in text.split())
        longest = LONGEST_WORD.get(script, LONGEST_OTHER_WORD)
        is_parted = words > len(read) and unspaced <= longest * words
        return None if share < MAINLY or is_parted else _unparted(counts, share, tokenizer)
    is_by_language = tokenizer == bleu_tokenizer(target_lang)
    if is_by_language and share + len(_HANGUL.findall(text)) / letters < HARDLY:
        return (
            f"corpus.target_lang = {target_lang} is read as a language without blanks between "
            f"words, or as Korean, so that BLEU has the tokenizer {tokenizer}; but the references "
            "are written in another script. If their words stand between blanks, set "
            "scoring.tokenize: 13a, or correct corpus.target_lang."
        )
    return None


def _unparted(counts: dict[str, int], share: float, tokenizer: str) -> str:
    is_japanese = counts["ja"] > HARDLY * (counts["ja"] + counts["zh"])
    found = max(counts, key=lambda code: counts[code])
    found = "ja" if found == "zh" and is_japanese else found
    code = _CODES.get(found, found)
    return (
        f"{share:.0%} of the letters of the references are {_NAMES[found]}, which has no blanks "
        f"between words, but BLEU's tokenizer {tokenizer} compares what stands between blanks: "
        f"scores will be near 0 however good a translation is. Set corpus.target_lang: {code}, or "
        f"scoring.tokenize: {bleu_tokenizer(code)}."
    )


def _of_tokenized(read: Sequence[str], tokenizer: str) -> str | None:
    num_parted = sum(text.endswith(" .") for text in read)
    if tokenizer not in BY_WORDS or num_parted < MAINLY * len(read):
        return None
    return (
        f"{num_parted} of {format_plural(len(read), 'reference')} end in ` .`, as tokenised text "
        "does. Trials compare, but BLEU of tokenised text is not that of the text which people "
        "read: to compare with others, detokenise the corpus, for example with sacremoses."
    )


def _of_length(read: Sequence[str], tokenizer: str) -> str | None:
    tokenize = load_tokenizer(tokenizer)
    num_long = sum(len(tokenize(text).split()) >= ORDERS for text in read)
    if num_long >= LEAST_LONG * len(read):
        return None
    finer = "" if tokenizer in ("char", "zh") else "set scoring.tokenize: char, or "
    return (
        f"{num_long} of {format_plural(len(read), 'reference')} have four tokens or more. BLEU "
        "counts sequences of up to four, so that on these it is 0 or chance, and trials tie. "
        f"Rather {finer}rank by chrF: objectives: [bleu, chrf] and `export --pick best:chrf`."
    )
