"""English noun phrases; relative clauses are left to ``english``."""

import re

from automl_tf.data.grammar.function_words import NO, A
from automl_tf.data.grammar.meaning import (
    Asked,
    Circumstance,
    Comparison,
    Degree,
    Description,
    Entity,
    Named,
    Pair,
    Personal,
    Phrase,
    Prepositional,
    Relative,
)
from automl_tf.data.grammar.words import Adverbial, Sex

_SUBJECTS = {(1, False): "I", (2, False): "you", (1, True): "we", (3, True): "they"}
_OBJECTS = {(1, False): "me", (2, False): "you", (1, True): "us", (3, True): "them"}
_SUBJECT_BY_SEX = {Sex.HE: "he", Sex.SHE: "she", Sex.IT: "it"}
_OBJECT_BY_SEX = {Sex.HE: "him", Sex.SHE: "her", Sex.IT: "it"}
_SPOKEN_VOWEL = re.compile(r"(?!uni|use)[aeiou]|honest")


def phrase_words(phrase: Phrase, *, subject: bool) -> list[str]:
    """A phrase as subject or object, without its relative clause."""
    match phrase:
        case Entity():
            return _entity(phrase)
        case Personal():
            return [_personal(phrase, subject=subject)]
        case Named():
            return _named(phrase)
        case Relative():
            if phrase.unsaid:
                return []
            return [("who" if subject else "whom") if phrase.human else "which"]
        case Asked():
            return ["who" if phrase.human else "what"]
        case Pair():
            first = phrase_words(phrase.first, subject=subject)
            return [*first, "and", *phrase_words(phrase.second, subject=subject)]


def _personal(pronoun: Personal, *, subject: bool) -> str:
    by_person, by_sex = (_SUBJECTS, _SUBJECT_BY_SEX) if subject else (_OBJECTS, _OBJECT_BY_SEX)
    return by_person.get((pronoun.person, pronoun.plural)) or by_sex[pronoun.sex]


def _named(name: Named) -> list[str]:
    if not name.titled:
        return [name.name]
    return ["Mrs." if name.sex is Sex.SHE else "Mr.", name.name]


def circumstance(what: Circumstance) -> list[str]:
    """An adverb or a prepositional phrase."""
    if isinstance(what, Adverbial):
        return what.en.split()
    return [*what.en.split(), *phrase_words(what.phrase, subject=False)]


def _entity(entity: Entity) -> list[str]:
    words = [
        *(entity.quantity.en.split() if entity.quantity else ()),
        *(word for description in entity.descriptions for word in described(description)),
        *(entity.noun.en_plural if entity.plural else entity.noun.en).split(),
    ]
    words = [*_lead(entity, words[0]), *words]
    if entity.contents:
        words += ["of", *entity.contents.en.split()]
    if _owner_behind(entity) and isinstance(entity.owner, Entity):
        words += ["of", *_entity(entity.owner)]
    if isinstance(entity.attribute, Prepositional):
        words += circumstance(entity.attribute)
    return words


def _owner_behind(entity: Entity) -> bool:
    """Whether English says ``the roof of the house``, not ``the house's roof``."""
    return isinstance(entity.owner, Entity) and "person" not in entity.owner.noun.kinds


def _lead(entity: Entity, following: str) -> list[str]:
    """Determiner or owner."""
    if entity.owner and not _owner_behind(entity):
        return _owner(entity.owner)
    if entity.determiner is NO and not entity.noun.counted:
        return ["any"]
    if entity.determiner in {A, NO} and not entity.plural:
        return ["an" if _SPOKEN_VOWEL.match(following) else "a"]
    word = entity.determiner.en_plural if entity.plural else entity.determiner.en
    return word.split()


def _owner(owner: Entity | Named | Relative) -> list[str]:
    if isinstance(owner, Relative):
        return ["whose"]
    words = phrase_words(owner, subject=False)
    plural_in_s = isinstance(owner, Entity) and owner.plural and words[-1].endswith("s")
    return [*words[:-1], words[-1] + ("’" if plural_in_s else "’s")]


def described(description: Description) -> list[str]:
    """An attributive adjective with its intensifier."""
    adjective = description.adjective
    forms = {
        Degree.POSITIVE: adjective.en,
        Degree.COMPARATIVE: adjective.en_comparative,
        Degree.SUPERLATIVE: adjective.en_superlative,
    }
    intensifier = description.intensifier.en.split() if description.intensifier else []
    return [*intensifier, *forms[description.degree].split()]


def comparison(what: Comparison) -> list[str]:
    """An adjective behind ``be``: ``very old``, ``older than the man``, ``as old as she``."""
    words = described(what.description)
    if what.standard is None:
        return words
    standard = phrase_words(what.standard, subject=False)
    if what.description.degree is Degree.COMPARATIVE:
        return [*words, "than", *standard]
    return ["as", *words, "as", *standard]
