"""Nouns: people, animals and things.

A line reads ``English singular, plural = article German singular, plural, genitive ; more kinds``.
What is regular is left out: the English plural in -s and the German genitive of one's rule. A line
without a German plural is a noun that is not counted, as in ``bread``. ``weak`` in place of the
genitive marks a noun that ends like its plural in all cases but one. Within a table the frequent
words come first.
"""

import re
from functools import cache

from automl_tf.data.grammar import animals_and_food, people, things
from automl_tf.data.grammar.words import Gender, Noun, Sex, zipf

_GENDERS = {"der": Gender.MASCULINE, "die": Gender.FEMININE, "das": Gender.NEUTER}
_SEXES = {"man": Sex.HE, "woman": Sex.SHE, "child": Sex.UNSAID}
_SHE_THOUGH_NEUTER = "girl"


def english_plural(singular: str) -> str:
    """The regular English plural: ``boxes``, ``cherries``, ``dogs``."""
    if re.search(r"(s|x|ch|sh)$", singular):
        return singular + "es"
    if re.search(r"[^aeiou]y$", singular):
        return singular[:-1] + "ies"
    return singular + "s"


def german_genitive(noun: str, gender: Gender) -> str:
    """The regular genitive singular: -es after sibilants and one syllable, else -s; -nisses."""
    if gender is Gender.FEMININE:
        return noun
    if noun.endswith("nis"):
        return noun + "ses"
    syllables = len(re.findall(r"[aeiouyäöüé]+", noun.lower()))
    ends_in_vowel = re.search(r"[aeiouyé]h?$", noun) is not None
    if re.search(r"(s|ß|x|z|sch)$", noun) or (syllables == 1 and not ends_in_vowel):
        return noun + "es"
    return noun + "s"


def parse_noun(line: str, kind: str, rank: int) -> Noun:
    """Reads one line of a table.

    Args:
        line: The line, as the module describes it.
        kind: The first kind of the noun.
        rank: Place in its table, from zero.
    """
    words, _, kinds = line.partition(";")
    english, german = (
        [form.strip() for form in side.split(",")] for side in words.split("=", maxsplit=1)
    )
    article, _, singular = german[0].partition(" ")
    gender = _GENDERS[article]
    plural = german[1] if len(german) > 1 else ""
    last = german[2] if len(german) > len(("singular", "plural")) else ""
    weak = last == "weak"
    sex = Sex.SHE if english[0] == _SHE_THOUGH_NEUTER else _SEXES.get(kind, Sex.IT)
    return Noun(
        en=english[0],
        en_plural=english[-1] if len(english) > 1 else english_plural(english[0]) if plural else "",
        de=singular,
        de_plural=plural,
        gender=gender,
        genitive=plural if weak else last or german_genitive(singular, gender),
        weak=weak,
        sex=sex,
        kinds=(kind, *(("person",) if kind in _SEXES else ()), *kinds.split()),
        weight=zipf(rank),
    )


@cache
def all_nouns() -> tuple[Noun, ...]:
    """Every noun but places, which need more said about them, and compounds."""
    tables = {**people.TABLES, **animals_and_food.TABLES, **things.TABLES}
    return tuple(
        parse_noun(line, kind, rank)
        for kind, table in tables.items()
        for rank, line in enumerate(table.strip().splitlines())
    )
