"""Words of both languages, parsed from the text of ``lexicon``."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple, TypeVar

from automl_tf.data.sample import lexicon, morphology
from automl_tf.data.sample.morphology import Case

Kinds = frozenset[str]
Item = TypeVar("Item")


class Noun(NamedTuple):
    """A noun or name with the kinds of things that it stands for.

    ``weak`` nouns end in -n or -en (``den Jungen``). ``prepositions`` are those of a place: English
    at and to, German at and to.
    """

    english: str
    english_plural: str
    german: str
    german_plural: str
    gender: str
    kinds: Kinds
    weak: bool
    prepositions: tuple[str, ...] = ()

    def declined(self, case: Case, *, plural: bool) -> str:
        """The German noun in a case and number."""
        if plural:
            adds_n = case is Case.DAT and not self.german_plural.endswith(("n", "s"))
            return self.german_plural + "n" * adds_n
        if self.weak and case is not Case.NOM:
            return self.german_plural
        if case is Case.GEN and "name" in self.kinds:
            return f"{self.german}s"
        return (
            morphology.genitive(self.german)
            if case is Case.GEN and self.gender != "f"
            else self.german
        )


class Adjective(NamedTuple):
    """An adjective without ending."""

    english: str
    german: str


class EnglishVerb(NamedTuple):
    """Principal parts of an English verb; a particle follows a pronoun: ``turn it on``."""

    base: str
    past: str
    participle: str
    particle: str
    preposition: str


class GermanVerb(NamedTuple):
    """Principal parts of a German verb; only the participle contains a separable prefix."""

    infinitive: str
    prefix: str
    third: str
    past: str
    participle: str
    auxiliary: str
    reflexive: bool
    preposition: str
    case: Case


class Verb(NamedTuple):
    """A verb with its frame and the kinds of its subjects and objects.

    The frame is the German case of the object (``dat+acc`` for two), ``prep`` for an object with a
    preposition, ``place`` or ``goal`` for a place, and ``none``.
    """

    english: EnglishVerb
    german: GermanVerb
    frame: str
    subjects: Kinds
    objects: Kinds


def entries(text: str) -> Iterator[str]:
    """The entries of a text, which commas part."""
    return (" ".join(entry.split()) for entry in text.split(","))


def _by_rank(lists: Iterable[Iterable[Item]]) -> list[Item]:
    """The items of the lists: all first ones, then all second ones and so on."""
    ranked = [(rank, item) for items in lists for rank, item in enumerate(items)]
    return [item for _, item in sorted(ranked, key=lambda pair: pair[0])]


@cache
def nouns(kinds: Kinds) -> tuple[Noun, ...]:
    """The nouns of at least one of the kinds, the frequent ones of each list first."""
    places = {tuple(names.split(" | ")): text for names, text in lexicon.PLACES.items()}
    lists = [
        *([_noun(e, names) for e in entries(text)] for names, text in lexicon.NOUNS.items()),
        *([_noun(e, kind, at) for e in entries(text)] for (kind, at), text in places.items()),
        [_noun(f"{name} der {name}", "name") for name in lexicon.MEN.split()],
        [_noun(f"{name} die {name}", "name") for name in lexicon.WOMEN.split()],
    ]
    return tuple(noun for noun in _by_rank(lists) if noun.kinds & kinds)


def _noun(entry: str, kinds: str, prepositions: str = "") -> Noun:
    names, article, singular, *rest = entry.split()
    english, _, irregular = names.partition("/")
    german, plural = singular.rstrip("*"), "".join(rest)
    english_plural = irregular or morphology.english_s(english)
    german_plural = german + plural[1:] if plural.startswith("-") else plural
    gender = {"der": "m", "die": "f", "das": "n"}[article]
    weak = singular.endswith("*")
    described = (gender, frozenset(kinds.split()), weak, tuple(prepositions.split()))
    return Noun(english, english_plural if plural else "", german, german_plural, *described)


@cache
def modifiers() -> tuple[tuple[str, str], ...]:
    """The first parts of compounds in both languages."""
    return tuple((first, part) for first, part in map(str.split, entries(lexicon.MODIFIERS)))


def compound(head: Noun, modifier: tuple[str, str]) -> Noun:
    """A compound: two words in English, one in German."""
    english, german = modifier
    return head._replace(
        english=f"{english} {head.english}",
        english_plural=head.english_plural and f"{english} {head.english_plural}",
        german=german + head.german.lower(),
        german_plural=head.german_plural and german + head.german_plural.lower(),
    )


@cache
def adjectives(kinds: Kinds) -> tuple[Adjective, ...]:
    """The adjectives that describe something of these kinds."""
    texts = [text for names, text in lexicon.ADJECTIVES.items() if kinds & set(names.split())]
    found = (Adjective(*entry.split()) for text in texts for entry in entries(text))
    return tuple(dict.fromkeys(found))


@cache
def verbs() -> tuple[Verb, ...]:
    """The verbs of events, the frequent ones of each list first."""
    return tuple(_by_rank([verb_list(text, names) for names, text in lexicon.VERBS.items()]))


@cache
def verb_list(text: str, names: str = "person | none |") -> tuple[Verb, ...]:
    """The verbs of a text, with subjects, frame and objects between bars."""
    subjects, frame, objects = names.split("|")
    kinds = frozenset(subjects.split()), frozenset(objects.split())
    pairs = (entry.split(" = ") for entry in entries(text))
    return tuple(
        Verb(_english_verb(english), _german_verb(german), frame.strip(), *kinds)
        for english, german in pairs
    )


def _english_verb(text: str) -> EnglishVerb:
    base, *parts = re.sub(r"\[.*\]|\(.*\)", "", text).split()
    past, *participle = parts or [morphology.english_ed(base)]
    particle, preposition = re.findall(r"\[(.*)\]", text), re.findall(r"\((.*)\)", text)
    tail = "".join(particle), "".join(preposition)
    return EnglishVerb(base, past, "".join(participle) or past, *tail)


def _german_verb(text: str) -> GermanVerb:
    words = text.split()
    preposition, _, case = words.pop().partition("+") if "+" in text else ("", "", "acc")
    name, *parts = [word for word in words if word not in ("sich", "ist")]
    prefix, _, infinitive = name.rpartition("|")
    regular = morphology.german_t(morphology.german_stem(infinitive))
    inseparable = re.match(r"(be|ge|ver|er|ent|zer|über)|.*ieren$", infinitive)
    participle = prefix + ("" if inseparable else "ge") + regular
    third, past, participle = parts or (regular, f"{regular}e", participle)
    auxiliary, reflexive = "sein" if "ist" in words else "haben", "sich" in words
    governed = (auxiliary, reflexive, preposition, Case[case.upper()])
    return GermanVerb(infinitive, prefix, third, past, participle, *governed)
