import random
import sys
import unicodedata

import pytest

from automl_tf.data.text import (
    HEX_DIGITS,
    WORD_MARK,
    Alphabet,
    frequent_characters,
    normalize,
    read_spelling,
)

SPACES = ["\u00a0", "\u2003", "\u2028", "\u200b", "\u3000", "\ufeff"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two   spaces ", "two spaces"),
        ("tab\tand\r\nbreaks\u2028\x85here", "tab and breaks here"),
        ("no\u00a0break\u3000wide\u200bzero\ufeff", "no break wide zero"),
        ("bell\x07 \x00 nul", "bell nul"),
        ("\ufdd0digit\uffff \ud800 alone", "digit alone"),
        ("e\u0301", "é"),
        ("\u2003\n", ""),
        ("क\u200dष می\u200cروم", "क\u200dष می\u200cروم"),
    ],
)
def test_normalization(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_normalizing_twice_changes_nothing_more(strange_texts) -> None:
    for text in strange_texts:
        once = normalize(text)
        assert normalize(once) == once
        assert unicodedata.is_normalized("NFC", once)
        assert once.split(" ") == once.split() or not once


def test_what_is_spelled_is_read_back(strange_texts) -> None:
    for characters in ("", "abc ▁^-]\\", "".join(strange_texts[:10])):
        alphabet = Alphabet(normalize(characters))
        for text in strange_texts:
            spelled = alphabet.spell(normalize(text))
            assert read_spelling(spelled) == normalize(text)
            assert set(spelled) <= {WORD_MARK, *HEX_DIGITS, *alphabet.characters}


def test_broken_spellings_become_replacement_characters() -> None:
    spelled = Alphabet("").spell("é")
    assert read_spelling(spelled[:-2]) == "\ufffd"
    assert read_spelling(WORD_MARK + HEX_DIGITS[4]) == ""


def test_frequent_characters_are_the_repeated_ones_most_frequent_first() -> None:
    texts = ["aab b", "cc▁c", "abz"]
    assert frequent_characters(texts, 10) == ["a", "b", "c"]
    assert frequent_characters([*texts, "c"], 1) == ["c"]


def test_no_sequence_of_digits_reads_as_a_line_break_or_a_control_character() -> None:
    """Whatever bytes a model writes: one line stays one line."""
    rng = random.Random(1)
    breaks = [c for c in map(chr, range(sys.maxunicode)) if len(f"a{c}b".splitlines()) > 1]
    controls = [c for c in map(chr, range(sys.maxunicode)) if unicodedata.category(c) == "Cc"]
    spelled_characters = [
        "".join(HEX_DIGITS[int(digit, 16)] for digit in c.encode().hex())
        for c in [*breaks, *controls, *SPACES]
    ]
    assert len(breaks) > 9
    assert len(controls) > 60
    pieces = [*HEX_DIGITS, *spelled_characters, WORD_MARK, "a", "b▁"]
    written = spelled_characters + [
        "".join(rng.choices(pieces, k=rng.randrange(1, 12))) for _ in range(20_000)
    ]
    for spelled in written:
        text = read_spelling(spelled)
        assert len(text.splitlines()) <= 1, ascii(spelled)
        assert not set(text) & {*breaks, *controls, *SPACES}, ascii(spelled)
        assert text == text.strip()
        assert "  " not in text
