"""The tokenizer of BLEU follows the language as people write it, and must be installed."""

import importlib.util
import random
import sys
from collections.abc import Iterator

import pytest

from automl_tf.config.settings import Tokenizer, TrialConfig
from automl_tf.errors import Place, UserError
from automl_tf.scoring import tokenizers
from automl_tf.scoring.tokenizers import (
    BY_CHARACTER,
    CHINESE,
    OF_SCRIPT,
    PACKAGES,
    SAME_AS,
    bleu_tokenizer,
    check_tokenizer,
    former_tokenizer,
    load_tokenizer,
    tokenizer_of,
    with_tokenizer,
)

AS_WRITTEN = {
    "13a": "en en-US en_GB EN pt_BR pt-br de-CH es_419 sr-Latn sr_Cyrl no nb ar arb_Arab fa hin "
    "hin_Deva vie_Latn tr xx kok mkd zh-Latn zh-Latn-pinyin ja_Latn nan_Latn ko-Latn tw kmr_Latn",
    "zh": "zh ZH zh-CN zh_TW zh-Hant zh_Hans zh-Hant-HK zho chi cmn yue lzh wuu nan hak gan cdo "
    "cn CN zho_Hans cmn_Hant yue_Hant zh-yue zh-classical und-Hani vi-Hani",
    "char": "ja JA ja-JP jp JP jpn jpn_Jpan ja_Hira ko ko-KR kr kor kor_Hang ko-Kore th th_TH tha "
    "tha_Thai lo lao lao_Laoo km kh khm khm_Khmr my mm mya bur mya_Mymr shn_Mymr bo bod_Tibt "
    "dzo_Tibt jv-Java und-Thai ryu nod",
}


@pytest.mark.parametrize(
    ("code", "name"), [(code, name) for name, codes in AS_WRITTEN.items() for code in codes.split()]
)
def test_codes_as_people_write_them(code: str, name: str) -> None:
    assert bleu_tokenizer(code) == name
    config = {"kind": "synthetic", "source_lang": "en", "target_lang": code}
    assert tokenizer_of(TrialConfig.model_validate({"corpus": config})) == name


def test_capitals_separators_and_countries_change_nothing() -> None:
    rng = random.Random(1)
    for code in [*CHINESE, *BY_CHARACTER, *SAME_AS, "en", "de", "pt", "fra"]:
        written = "".join(rng.choice((letter.upper(), letter)) for letter in code)
        rest = rng.choice(("", "-CN", "_US", "-gb", "_419", "-x-mine", "-u-co-phonebk"))
        assert bleu_tokenizer(written + rest) == bleu_tokenizer(code), written
        for script, name in (*OF_SCRIPT.items(), ("latn", "13a"), ("cyrl", "13a")):
            assert bleu_tokenizer(f"{code}{rng.choice('-_')}{script.title()}{rest}") == name


def test_what_earlier_versions_took_is_known() -> None:
    for code in (*CHINESE, *BY_CHARACTER, "en", "pt_BR", "zh-Hant", "jpn_Jpan"):
        assert former_tokenizer(code) == bleu_tokenizer(code)
    for code in (*SAME_AS, "zh-CN-x", "und-Thai"):
        assert former_tokenizer(code) == ("zh" if code.startswith("zh") else "13a")


def test_a_configuration_names_its_tokenizer_once() -> None:
    corpus = {"kind": "synthetic", "source_lang": "de", "target_lang": "jp"}
    config = TrialConfig.model_validate({"corpus": corpus})
    named = with_tokenizer(config)
    assert (config.scoring.tokenize, named.scoring.tokenize) == ("auto", "char")
    assert with_tokenizer(config, "13a").scoring.tokenize == "13a"
    assert with_tokenizer(named, "13a") == named
    assert tokenizer_of(named) == tokenizer_of(config) == "char"


@pytest.fixture
def without_packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that lacks what sacrebleu's tokenizers need beside it."""
    importing = [f"sacrebleu.tokenizers.tokenizer_{name}" for name in ("ja_mecab", "ko_mecab")]
    for module in ("MeCab", "mecab_ko", "sentencepiece"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in importing:
        sys.modules.pop(module, None)
    yield
    for module in importing:
        sys.modules.pop(module, None)


@pytest.mark.usefixtures("without_packages")
@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_missing_package_is_named_with_the_command(name: str) -> None:
    with pytest.raises(UserError, match=r"pip install") as told:
        check_tokenizer(name, Place(key="scoring.tokenize"))
    assert PACKAGES[name] in str(told.value)
    assert name in str(told.value)
    assert "key scoring.tokenize" in str(told.value)


@pytest.mark.parametrize(
    "error", [OSError("no route to host"), RuntimeError("broken"), AssertionError()]
)
def test_a_missing_model_or_dictionary_is_one_error(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_name: str) -> None:
        raise error

    monkeypatch.setattr(tokenizers, "load_tokenizer", fail)
    for name in ("flores200", "ja-mecab"):
        with pytest.raises(UserError, match="cannot be loaded"):
            check_tokenizer(name, Place())
    check_tokenizer("13a", Place())


@pytest.mark.parametrize("name", ["13a", "intl", "zh", "char", "none"])
def test_those_that_need_nothing_are_at_hand(name: str) -> None:
    check_tokenizer(name, Place())
    assert len(load_tokenizer(name)("a b").split()) == 2


@pytest.mark.skipif(importlib.util.find_spec("MeCab") is None, reason="sacrebleu[ja] is missing")
def test_japanese_words_are_found() -> None:
    check_tokenizer("ja-mecab", Place())
    assert len(load_tokenizer("ja-mecab")("私は本を読む。").split()) == 6


def test_the_setting_offers_all_that_sacrebleu_has() -> None:
    from sacrebleu.metrics.bleu import BLEU

    assert set(Tokenizer.__args__) == {"auto", *BLEU.TOKENIZERS}
    assert set(PACKAGES) < set(BLEU.TOKENIZERS)
