"""Endings of German articles, adjectives and nouns."""

from automl_tf.data.grammar.words import (
    Adjective,
    Case,
    Declension,
    Determiner,
    Gender,
    Noun,
)

_COLUMNS = {Gender.MASCULINE: 0, Gender.FEMININE: 1, Gender.NEUTER: 2}
_PLURAL = 3

# One row a case; in it masculine, feminine, neuter, plural. A dash is no ending.
_DEFINITE = {
    Case.NOMINATIVE: "der die das die",
    Case.ACCUSATIVE: "den die das die",
    Case.DATIVE: "dem der dem den",
    Case.GENITIVE: "des der des der",
}
_DER_WORD = {
    Case.NOMINATIVE: "er e es e",
    Case.ACCUSATIVE: "en e es e",
    Case.DATIVE: "em er em en",
    Case.GENITIVE: "es er es er",
}
_EIN_WORD = {**_DER_WORD, Case.NOMINATIVE: "- e - e", Case.ACCUSATIVE: "en e - e"}
_WEAK = {
    Case.NOMINATIVE: "e e e en",
    Case.ACCUSATIVE: "en e e en",
    Case.DATIVE: "en en en en",
    Case.GENITIVE: "en en en en",
}
_MIXED = {**_WEAK, Case.NOMINATIVE: "er e es en", Case.ACCUSATIVE: "en e es en"}
_STRONG = {**_DER_WORD, Case.GENITIVE: "en er en er"}
_RELATIVE = {**_DEFINITE, Case.DATIVE: "dem der dem denen"}

_DETERMINER_ENDINGS = {
    Declension.DEFINITE: _DEFINITE,
    Declension.DER_WORD: _DER_WORD,
    Declension.EIN_WORD: _EIN_WORD,
    Declension.STRONG: _DER_WORD,
}
_ADJECTIVE_ENDINGS = {
    Declension.DEFINITE: _WEAK,
    Declension.DER_WORD: _WEAK,
    Declension.EIN_WORD: _MIXED,
    Declension.STRONG: _STRONG,
    Declension.BARE: _STRONG,
}
_CONTRACTIONS = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("bei", "dem"): "beim",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
}


def _cell(table: dict[Case, str], case: Case, gender: Gender, *, plural: bool) -> str:
    ending = table[case].split()[_PLURAL if plural else _COLUMNS[gender]]
    return "" if ending == "-" else ending


def determiner(word: Determiner, case: Case, gender: Gender, *, plural: bool) -> str:
    """The determiner with its ending; empty where German has none, as in the plural of ``ein``."""
    if word.declension is Declension.BARE or (word.de == "ein" and plural):
        return word.de if word.declension is Declension.BARE else ""
    table = _DETERMINER_ENDINGS[word.declension]
    ending = _cell(table, case, gender, plural=plural)
    if word.declension is Declension.DEFINITE:
        return ending
    stem = "eur" if word.de == "euer" and ending else word.de
    return stem + ending


def adjective_ending(word: Determiner, case: Case, gender: Gender, *, plural: bool) -> str:
    """The ending of an adjective behind a determiner."""
    bare = word.de == "ein" and plural
    declension = Declension.BARE if bare else word.declension
    return _cell(_ADJECTIVE_ENDINGS[declension], case, gender, plural=plural)


def adjective_stem(adjective: Adjective, degree: str) -> str:
    """The adjective before its ending: ``teur``, ``älter``, ``ältest``."""
    stems = {
        "positive": adjective.de_stem,
        "comparative": adjective.de_comparative,
        "superlative": adjective.de_superlative,
    }
    return stems[degree]


def noun_form(noun: Noun, case: Case, *, plural: bool) -> str:
    """The noun in a case and number."""
    if plural:
        needs_n = case is Case.DATIVE and not noun.de_plural.endswith(("n", "s"))
        return noun.de_plural + ("n" if needs_n else "")
    if case is Case.NOMINATIVE:
        return noun.de
    if case is Case.GENITIVE:
        return noun.genitive
    return noun.de_plural if noun.weak else noun.de


def relative_pronoun(case: Case, gender: Gender, *, plural: bool) -> str:
    """The relative pronoun, which also gives ``dessen`` and ``deren``."""
    if case is Case.GENITIVE:
        return "deren" if plural or gender is Gender.FEMININE else "dessen"
    return _cell(_RELATIVE, case, gender, plural=plural)


def contract(preposition: str, words: list[str], *, definite: bool) -> list[str]:
    """Puts a preposition before a phrase: ``im Garten``, but ``in einem Garten``.

    Args:
        preposition: The preposition; it may have a word before it, as in ``zusammen mit``.
        words: The phrase.
        definite: Whether the phrase starts with a definite article.
    """
    contracted = _CONTRACTIONS.get((preposition, words[0])) if definite else None
    return [contracted, *words[1:]] if contracted else [*preposition.split(), *words]
