"""The tokenizer of BLEU: which one a target language takes, and whether it is installed here."""

import itertools
import re
import socket
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from automl_tf.config.settings import ScoringConfig, TrialConfig
from automl_tf.config.study import StudyConfig
from automl_tf.errors import Place, UserError, first_line

BY_WORDS: Final = frozenset({"13a", "intl", "none"})
"""Tokenizers that find words between blanks."""

CHINESE: Final = frozenset({"zh", "zho", "chi", "cmn", "yue", "wuu", "nan", "hak", "lzh"})
"""Codes of languages that sacrebleu's tokenizer for Chinese script is for."""
BY_CHARACTER: Final = frozenset(
    {
        *("ja", "jpn", "ko", "kor", "th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bur"),
        *("bo", "bod", "tib", "dz", "dzo"),
    }
)
"""Codes of languages whose words stand in no spaces (or, in Korean, take endings that make most
of them unique): 13a would compare whole clauses. sacrebleu's own tokenizers for them need
dictionaries that are not everywhere."""

SAME_AS: Final[Mapping[str, str]] = {
    # Codes of countries, which corpora are named by. `kr` is Kanuri as well: see `remarks`.
    "jp": "ja",
    "cn": "zh",
    "kr": "ko",
    "hk": "zh",
    "kh": "km",
    "mm": "my",
    # Further members of the macrolanguage Chinese (ISO 639-3).
    **dict.fromkeys(("cdo", "cjy", "cnp", "cpx", "csp", "czh", "czo"), "zh"),
    **dict.fromkeys(("gan", "hnm", "hsn", "luh", "mnp", "sjc"), "zh"),
    # Kin that is written alike: Ryukyuan, Korean of Jeju, Tai, Burmese, Tibetan.
    **dict.fromkeys(("ryu", "ojp"), "ja"),
    **dict.fromkeys(("jje", "okm"), "ko"),
    **dict.fromkeys(("nod", "sou", "tts"), "th"),
    **dict.fromkeys(("shn", "rki", "mnw"), "my"),
    **dict.fromkeys(("adx", "khg", "sip"), "bo"),
}
"""Codes that earlier versions did not know, with one of the same tokenizer."""

OF_SCRIPT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("hans", "hant", "hani", "hanb"), "zh"),
    **dict.fromkeys(("jpan", "hira", "kana", "hrkt", "kore", "hang"), "char"),
    **dict.fromkeys(("thai", "laoo", "khmr", "mymr", "tibt", "lana", "java", "bali"), "char"),
}
"""Tokenizers by the script of a code, in lower case; words of all other scripts have blanks."""

PACKAGES: Final[Mapping[str, str]] = {
    "ja-mecab": "'sacrebleu[ja]'",
    "ko-mecab": "'sacrebleu[ko]'",
    **dict.fromkeys(("spm", "flores101", "flores200", "spBLEU-1K"), "sentencepiece"),
}
"""What pip installs for the tokenizers that need more than sacrebleu."""

DOWNLOAD_SECONDS = 20.0
"""Time that a server has to answer when sacrebleu fetches a model."""

_SCRIPT = re.compile("[a-z]{4}")

Config = TypeVar("Config", StudyConfig, TrialConfig)


def bleu_tokenizer(target_lang: str) -> str:
    """Returns the name of sacrebleu's tokenizer for a target language.

    Args:
        target_lang: Its code as people write it; script and country may follow, as in ``zh-Hans``
            or ``pt_BR``.
    """
    language, *subtags = _subtags(target_lang)
    # What follows a single letter is private or an extension (BCP 47).
    known = itertools.takewhile(lambda subtag: len(subtag) > 1, subtags)
    script = next((subtag for subtag in known if _SCRIPT.fullmatch(subtag)), None)
    if script is not None:
        return OF_SCRIPT.get(script, "13a")
    return _of_language(SAME_AS.get(language, language))


def former_tokenizer(target_lang: str) -> str:
    """Returns the tokenizer that earlier versions took for a target language.

    Their studies have recorded none.
    """
    return _of_language(_subtags(target_lang)[0])


def tokenizer_of(config: StudyConfig | TrialConfig) -> str:
    """Returns the name of the tokenizer that a configuration is scored with."""
    chosen: str = config.scoring.tokenize
    return bleu_tokenizer(config.corpus.target_lang) if chosen == "auto" else chosen


def with_tokenizer(config: Config, name: str | None = None) -> Config:
    """Returns a configuration that names its tokenizer.

    Args:
        config: The configuration.
        name: The tokenizer of one that names none; that of its target language by default.
    """
    if config.scoring.tokenize != "auto":
        return config
    scoring = ScoringConfig.model_validate({"tokenize": name or tokenizer_of(config)})
    return config.model_copy(update={"scoring": scoring})


def load_tokenizer(name: str) -> Callable[[str], str]:
    """Returns a tokenizer, which puts a blank between two tokens of a text."""
    # Whoever only reads a study is not made to wait for it.
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415

    tokenizer: Callable[[str], str] = BLEU(tokenize=name).tokenizer
    return tokenizer


def check_tokenizer(name: str, place: Place) -> None:
    """Checks that a tokenizer works on this machine.

    Args:
        name: Its name.
        place: Where it was asked for.

    Raises:
        UserError: If its package or its model is missing.
    """
    if name not in PACKAGES:
        return
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        load_tokenizer(name)
    except (ImportError, RuntimeError, OSError, AssertionError) as error:
        raise UserError(*_problem(name, error), place) from None
    finally:
        socket.setdefaulttimeout(patience)


def _problem(name: str, error: Exception) -> tuple[str, str]:
    """Returns why a tokenizer does not load, and what to do about it."""
    if isinstance(error, ImportError) or "pip install" in str(error):
        rule = f"The BLEU tokenizer {name} needs a package that is not installed here."
        return rule, f"Run: pip install {PACKAGES[name]}"
    why = first_line(error) or type(error).__name__
    if PACKAGES[name] == "sentencepiece":
        remedy = (
            "sacrebleu fetches its model once, into ~/.sacrebleu/models: run the command where "
            "there is a network, or copy that folder from another machine."
        )
    else:
        remedy = f"Install its dictionary again: pip install --force-reinstall {PACKAGES[name]}"
    return f"The BLEU tokenizer {name} cannot be loaded: {why}.", remedy


def _subtags(code: str) -> list[str]:
    return code.lower().replace("_", "-").split("-")


def _of_language(language: str) -> str:
    if language in CHINESE:
        return "zh"
    return "char" if language in BY_CHARACTER else "13a"
