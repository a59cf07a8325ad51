"""Endings and irregular forms of both languages.

A gender is ``m``, ``f`` or ``n``, and ``p`` for the plural of all three.
"""

import re
from enum import IntEnum


class Case(IntEnum):
    """Case of a German phrase; English tells only the nominative of pronouns from the rest."""

    NOM = 0
    ACC = 1
    DAT = 2
    GEN = 3


class Agreement(IntEnum):
    """Form of a finite verb: ``I am``, ``he is``, ``we are``."""

    FIRST = 0
    THIRD = 1
    PLURAL = 2


# One entry a case; in it masculine, feminine, neuter, plural. A dash is no ending.
_DER = ("der die das die", "den die das die", "dem der dem den", "des der des der")
_DIESER = ("er e es e", "en e es e", "em er em en", "es er es er")
_EIN = ("- e - e", "en e - e", *_DIESER[2:])
_WEAK = ("e e e en", "en e e en", "en en en en", "en en en en")
_MIXED = ("er e es en", "en e es en", *_WEAK[2:])
_STRONG = (*_DIESER[:3], "en er en er")
# Endings of the article and of an adjective behind it.
_DECLENSIONS = {
    "der": (_DER, _WEAK),
    "dieser": (_DIESER, _WEAK),
    "ein": (_EIN, _MIXED),
    "viele": (_DIESER, _STRONG),
    "": (("- - - -",) * 4, _STRONG),
}
_CONTRACTIONS = {"in dem": "im", "an dem": "am", "zu dem": "zum", "zu der": "zur"}
_CONTRACTIONS |= {"von dem": "vom", "in das": "ins", "an das": "ans"}
# Present tense in the order of ``Agreement``.
_PRESENT = {
    "be": "am is are",
    "have": "have has have",
    **{modal: f"{modal} {modal} {modal}" for modal in ("will", "can", "must", "should")},
    "sein": "bin ist sind",
    "haben": "habe hat haben",
    "werden": "werde wird werden",
    "wissen": "weiß weiß wissen",
    "können": "kann kann können",
    "müssen": "muss muss müssen",
    "sollten": "sollte sollte sollten",
}
_ENGLISH_SMALL = """- one two three four five six seven eight nine ten eleven twelve thirteen
fourteen fifteen sixteen seventeen eighteen nineteen"""
_GERMAN_SMALL = """- ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn
fünfzehn sechzehn siebzehn achtzehn neunzehn"""
_ENGLISH_TENS = "- ten twenty thirty forty fifty sixty seventy eighty ninety"
_GERMAN_TENS = "- zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"


def article_ending(declension: str, case: Case, gender: str) -> str:
    """The ending of a German article; of ``der`` the article itself."""
    return _cell(_DECLENSIONS[declension][0], case, gender)


def adjective(positive: str, declension: str, case: Case, gender: str) -> str:
    """A German adjective behind an article of a declension."""
    stem = re.sub(r"(?<=[ae]u)er$", "r", re.sub(r"el$", "l", positive.removesuffix("e")))
    return stem + _cell(_DECLENSIONS[declension][1], case, gender)


def _cell(table: tuple[str, ...], case: Case, gender: str) -> str:
    return table[case].split()["mfnp".index(gender)].replace("-", "")


def genitive(noun: str) -> str:
    """The genitive of a German noun: ``Mannes``, ``Vaters``."""
    short = len(re.findall(r"[aeiouyäöü]+", noun.lower())) == 1
    return noun + ("es" if short or re.search(r"(s|ß|x|z|sch)$", noun) else "s")


def contract(preposition: str, phrase: str) -> str:
    """A German preposition before a phrase: ``im Garten``, but ``in einem Garten``."""
    article, _, rest = phrase.partition(" ")
    both = f"{preposition} {article}"
    return f"{_CONTRACTIONS.get(both, both)} {rest}".strip()


def german_stem(infinitive: str) -> str:
    """A German infinitive without -en or -n."""
    return re.sub(r"e?n$", "", infinitive)


def german_t(stem: str) -> str:
    """A German stem with -t, or with -et for the sound: ``kauft``, ``arbeitet``, ``öffnet``."""
    return stem + ("et" if re.search(r"([td]|[^aeiouäöülrhmn][mn])$", stem) else "t")


def german_present(infinitive: str, third: str, agreement: Agreement) -> str:
    """The German present tense without a prefix; ``third`` is the form for ``er``."""
    forms = _PRESENT.get(infinitive) or f"{german_stem(infinitive)}e {third} {infinitive}"
    return forms.split()[agreement]


def german_past(singular: str, agreement: Agreement) -> str:
    """The German simple past without a prefix."""
    plural = singular + ("n" if singular.endswith("e") else "en")
    return plural if agreement is Agreement.PLURAL else singular


def english_present(base: str, agreement: Agreement) -> str:
    """The English present tense."""
    return (_PRESENT.get(base) or f"{base} {english_s(base)} {base}").split()[agreement]


def english_s(word: str) -> str:
    """The regular English plural or third person: ``boxes``, ``cherries``, ``goes``."""
    ending = "es" if re.search(r"(s|x|[cs]h|[^aeiou]o)$", word) else "s"
    return re.sub(r"([^aeiou])y$", r"\1ie", word) + ending


def english_ed(base: str) -> str:
    """The regular English past: ``looked``, ``loved``, ``tried``."""
    return re.sub(r"([^aeiou])y$", r"\1ie", base).removesuffix("e") + "ed"


def number_words(number: int) -> tuple[str, str]:
    """A number from 2 to 99 in English and German: ``twenty-one``, ``einundzwanzig``."""
    english, german = _ENGLISH_SMALL.split(), _GERMAN_SMALL.split()
    if number < len(english):
        return english[number], german[number]
    tens, ones = divmod(number, 10)
    english_tens, german_tens = _ENGLISH_TENS.split()[tens], _GERMAN_TENS.split()[tens]
    if not ones:
        return english_tens, german_tens
    return f"{english_tens}-{english[ones]}", f"{german[ones]}und{german_tens}"
