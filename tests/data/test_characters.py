import unicodedata

import pytest

from automl_tf.data.characters import (
    HEX_DIGITS,
    WORD_MARK,
    Alphabet,
    frequent_characters,
    normalize,
    read_spelling,
)


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
