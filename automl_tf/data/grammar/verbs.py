"""Verbs.

A line reads ``English = German ; subjects ; frame objects``. English is the base, then, where they
are irregular, the past, the participle and the -ing form; ``[up]`` is a particle, ``(for)`` a
preposition, a star marks a verb without a continuous form. German is the infinitive with a bar
behind a separable prefix, then, where they are irregular, the stem of the second and third person
singular, the past and the participle; a plus marks a perfect with ``sein``. The frame is ``none``,
``acc``, ``dat``, ``dat+acc``, ``goal``, ``place``, ``acc+goal``, ``likes``, or a German
preposition with its case.
"""

import re
from functools import cache

from automl_tf.data.grammar import verb_tables
from automl_tf.data.grammar.german_verbs import weak_participle, weak_past
from automl_tf.data.grammar.words import Case, EnglishVerb, Frame, GermanVerb, Verb, zipf

_EXTRAS = re.compile(r"\[(?P<particle>[^]]+)\]|\((?P<preposition>[^)]+)\)")


def english_past(base: str) -> str:
    """The regular past: ``opened``, ``loved``, ``carried``."""
    if base.endswith("e"):
        return base + "d"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ied"
    return base + "ed"


def english_ing(base: str) -> str:
    """The regular -ing form: ``opening``, ``loving``, ``running``, ``seeing``."""
    if re.search(r"[^eoy]e$", base):
        return base[:-1] + "ing"
    if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", base):
        return base + base[-1] + "ing"
    return base + "ing"


def _parse_english(text: str) -> EnglishVerb:
    extra = _EXTRAS.search(text)
    base, *parts = _EXTRAS.sub("", text).split()
    stative = base.endswith("*")
    base = base.rstrip("*")
    past, participle, ing, *_ = [*parts, *("",) * 3]
    return EnglishVerb(
        base=base,
        past=past or english_past(base),
        participle=participle or past or english_past(base),
        ing=ing or english_ing(base),
        particle=(extra and extra["particle"]) or "",
        preposition=(extra and extra["preposition"]) or "",
        stative=stative,
    )


def _parse_german(text: str) -> GermanVerb:
    words = text.split()
    takes_sein, reflexive = "+" in words, "sich" in words
    dictionary_form, *parts = [word for word in words if word not in {"+", "sich"}]
    prefix, _, infinitive = dictionary_form.rpartition("|")
    stem, past, participle, *_ = [*parts, *("",) * 3]
    return GermanVerb(
        infinitive=infinitive,
        prefix=prefix,
        changed_stem=stem,
        past=past or weak_past(infinitive),
        participle=participle or prefix + weak_participle(infinitive),
        takes_sein=takes_sein,
        reflexive=reflexive,
    )


def _parse_frame(text: str) -> tuple[Frame, str, Case]:
    """The frame, and for one with a preposition that and its case."""
    if text in set(Frame):
        return Frame(text), "", Case.ACCUSATIVE
    preposition, _, case = text.partition("+")
    return Frame.PREPOSITION, preposition, Case(case)


def _parse_verb(line: str, rank: int) -> Verb:
    words, subjects, rest = line.split(";")
    english, german = words.split("=")
    name, *objects = rest.split()
    name, _, extra = name.partition("=")
    frame, preposition, case = _parse_frame(name)
    return Verb(
        en=_parse_english(english),
        de=_parse_german(german),
        frame=frame,
        subjects=tuple(subjects.split()),
        objects=tuple(objects),
        preposition=preposition,
        case=case,
        to_only=extra == "to",
        passive=extra == "passive",
        weight=zipf(rank),
    )


def _parse_table(table: str) -> tuple[Verb, ...]:
    return tuple(_parse_verb(line, rank) for rank, line in enumerate(table.strip().splitlines()))


@cache
def actions() -> tuple[Verb, ...]:
    """Verbs with an accusative object alone."""
    return _parse_table(verb_tables.ACTIONS)


@cache
def dealings() -> tuple[Verb, ...]:
    """Verbs with a dative, a prepositional object or two objects."""
    return _parse_table(verb_tables.DEALINGS)


@cache
def moves() -> tuple[Verb, ...]:
    """Verbs without an object, or with a place or a direction."""
    return _parse_table(verb_tables.MOVES)


@cache
def special(english: str, german: str) -> Verb:
    """A verb that a construction of its own asks for.

    Args:
        english: Its English base.
        german: Its German infinitive without a prefix.
    """
    return next(
        verb
        for verb in _parse_table(verb_tables.SPECIAL)
        if (verb.en.base, verb.de.infinitive) == (english, german)
    )
