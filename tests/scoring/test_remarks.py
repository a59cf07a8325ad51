"""BLEU that cannot mean anything is told with its remedy, and nothing else is."""

import random

import pytest

from automl_tf.scoring.remarks import remarks
from automl_tf.scoring.scores import Scorer
from automl_tf.scoring.tokenizers import bleu_tokenizer

UNSPACED = {
    "zh": "今天天气很好我们去公园散步",
    "ja": "今日はとても天気がいいですカメラ",
    "th": "วันนี้อากาศดีมากเราไปเดินเล่น",
    "lo": "ມື້ນີ້ອາກາດດີຫຼາຍພວກເຮົາໄປ",
    "km": "ថ្ងៃនេះអាកាសធាតុល្អណាស់យើងទៅ",
    "my": "ယနေ့ရာသီဥတုအလွန်ကောင်းသည်",
    "bo": "དེ་རིང་གནམ་གཤིས་ཡག་པོ་འདུག",
}
SPACED = {
    "en": "the old man sees a small dog near the river today",
    "ru": "старик видит маленькую собаку у реки сегодня утром",
    "el": "ο γέρος βλέπει ένα μικρό σκυλί κοντά στο ποτάμι",
    "ar": "يرى الرجل العجوز كلبا صغيرا بالقرب من النهر اليوم",
    "hi": "बूढ़ा आदमी आज नदी के पास एक छोटा कुत्ता देखता है",
    "ko": "노인이 오늘 강가에서 작은 개를 보고 있습니다 아주",
    "vi": "ông già nhìn thấy một con chó nhỏ gần sông hôm nay",
}


def unspaced(language: str, count: int = 40, longest: int = 40) -> list[str]:
    rng = random.Random(language)
    letters = UNSPACED[language]
    return [
        "".join(rng.choice(letters) for _ in range(rng.randint(4, longest))) for _ in range(count)
    ]


def spaced(language: str, count: int = 40) -> list[str]:
    rng = random.Random(language)
    words = SPACED[language].split()
    return [" ".join(rng.choices(words, k=rng.randint(3, 12))) + "." for _ in range(count)]


@pytest.mark.parametrize("language", UNSPACED)
@pytest.mark.parametrize("code", ["xx", "en", "tw"])
@pytest.mark.parametrize("longest", [8, 60])
def test_text_without_blanks_under_another_code(language: str, code: str, longest: int) -> None:
    (told,) = remarks(unspaced(language, longest=longest), bleu_tokenizer(code), code)
    assert f"corpus.target_lang: {language}" in told
    assert f"scoring.tokenize: {bleu_tokenizer(language)}" in told


@pytest.mark.parametrize("language", UNSPACED)
def test_a_few_blanks_and_foreign_names_do_not_hide_it(language: str) -> None:
    lines = [f"{line[:9]} {line[9:]} iPhone 3" for line in unspaced(language, longest=60)]
    assert remarks(lines, "13a", "xx")


@pytest.mark.parametrize("language", UNSPACED)
def test_the_right_code_is_silent(language: str) -> None:
    assert remarks(unspaced(language), bleu_tokenizer(language), language) == []


@pytest.mark.parametrize("language", UNSPACED)
def test_words_that_somebody_has_parted_are_words(language: str) -> None:
    size = 2 if language in ("zh", "ja") else 5
    lines = [
        " ".join(line[start : start + size] for start in range(0, len(line), size))
        for line in unspaced(language)
    ]
    assert remarks(lines, "13a", "xx") == []


@pytest.mark.parametrize("language", SPACED)
def test_text_with_blanks_is_silent(language: str) -> None:
    assert remarks(spaced(language), bleu_tokenizer(language), language) == []
    assert remarks(spaced(language), "13a", "xx") == []
    quoting = [f"{line} 「天気」" for line in spaced(language)]
    assert remarks(quoting, "13a", "xx") == []


@pytest.mark.parametrize("code", ["kr", "ja", "zh", "mm"])
def test_a_code_of_another_script_is_told(code: str) -> None:
    (told,) = remarks(spaced("en"), bleu_tokenizer(code), code)
    assert f"corpus.target_lang = {code}" in told
    assert "scoring.tokenize: 13a" in told
    # Who asks for characters gets them.
    assert remarks(spaced("en"), "char", "en") == []


def test_korean_is_no_other_script() -> None:
    assert remarks(spaced("ko"), "char", "kr") == []


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("tokenizer", ["13a", "intl", "none"])
def test_a_dictionary_is_told(size: int, tokenizer: str) -> None:
    words = [word for line in spaced("en") for word in line.rstrip(".").split()]
    lines = [" ".join(words[start : start + size]) for start in range(0, len(words), size)]
    (told,) = remarks([*lines, "", "  "], tokenizer, "en")
    assert told.startswith("0 of ")
    for part in ("four tokens", "chrF", "scoring.tokenize: char"):
        assert part in told
    assert remarks([*lines, *spaced("en", len(lines))], tokenizer, "en") == []


def test_short_text_in_characters_has_chrf_alone_to_go_to() -> None:
    (told,) = remarks(["天气", "公园", "好"], "zh", "zh")
    assert "chrF" in told
    assert "tokenize" not in told


@pytest.mark.parametrize("references", [[""], ["", " ", "\n"], ["\x00"], ["…", "—", "!?"], ["7"]])
def test_odd_references_end_in_no_error(references: list[str]) -> None:
    for code in ("en", "ja", "xx"):
        assert len(remarks(references, bleu_tokenizer(code), code)) <= 1


def test_tokenised_text_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    lines = [line.replace(".", " .") for line in spaced("en", 150)]
    (told,) = remarks(lines, "13a", "en")
    assert told.startswith("150 of 150 references end in ` .`")
    scores = Scorer(lines, "en").evaluate(lines, 2)
    assert scores.scores.bleu == pytest.approx(100)
    assert not caplog.records
