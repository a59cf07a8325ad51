"""Makes up people, things and places: the phrases of a meaning."""

from dataclasses import replace
from functools import cache

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.compounds import compounds_of
from automl_tf.data.grammar.function_words import (
    BARE,
    INTENSIFIERS,
    QUANTIFIERS,
    THAT,
    THE,
    THIS,
    A,
)
from automl_tf.data.grammar.meaning import (
    Degree,
    Description,
    Entity,
    Named,
    Pair,
    Phrase,
    Prepositional,
)
from automl_tf.data.grammar.numbers import (
    english_digits,
    english_number,
    german_digits,
    german_number,
)
from automl_tf.data.grammar.people import MEN, SURNAMES, WOMEN
from automl_tf.data.grammar.places import nouns_of
from automl_tf.data.grammar.pronouns import possessive, pronoun
from automl_tf.data.grammar.qualities import adjectives_for, weights
from automl_tf.data.grammar.words import (
    Adverbial,
    Case,
    Determiner,
    Noun,
    Sex,
    zipf,
)

PERSON = ("person",)
_TEACHABLE = 12
_COLOURS = ("red", "black", "white", "blue", "green", "brown", "yellow", "grey")
_HUNDRED, _THOUSAND, _MOST = 100, 1000, 9999


@cache
def _choices(kinds: tuple[str, ...]) -> tuple[tuple[Noun, ...], tuple[int, ...]]:
    nouns = nouns_of(kinds)
    return nouns, tuple(noun.weight for noun in nouns)


def noun(chance: Chance, kinds: tuple[str, ...]) -> Noun:
    """A noun of one of the kinds, sometimes as the head of a compound."""
    return perhaps_compound(chance, chance.weighted(*_choices(kinds)))


def perhaps_compound(chance: Chance, head: Noun) -> Noun:
    """The noun, or sometimes a compound that has it as its head."""
    compounds = compounds_of(head)
    return chance.one_of(compounds) if compounds and chance.happens(25) else head


def names_of(thing: Noun) -> tuple[str, ...]:
    """What adjectives and verbs may call a thing: its kinds and its own name."""
    return (*thing.kinds, thing.en)


def kinds_of(phrase: Phrase) -> tuple[str, ...]:
    """The kinds of what a phrase stands for; a name or a pronoun is taken for a person."""
    if isinstance(phrase, Entity):
        return names_of(phrase.contents or phrase.noun)
    return PERSON


def quantity(chance: Chance) -> Adverbial:
    """A number of two or more, in words or in digits."""
    size = chance.mixed({_TEACHABLE: 66, _HUNDRED: 27, _THOUSAND: 6, _MOST: 1})
    number = chance.between(2, size - 1)
    if number >= _THOUSAND or (number > _TEACHABLE and chance.happens(50)):
        return Adverbial(english_digits(number), german_digits(number))
    return Adverbial(english_number(number), german_number(number))


def someone(chance: Chance, kinds: tuple[str, ...] = PERSON) -> Phrase:
    """A subject: a pronoun, a name, a pair, or somebody or something called by a noun."""
    if "person" not in kinds or chance.happens(6):
        return thing(chance, kinds)
    form = chance.mixed({"noun": 58, "pronoun": 20, "name": 18, "pair": 4})
    match form:
        case "pronoun":
            return pronoun(chance)
        case "name":
            return name(chance)
        case "pair":
            return Pair(plain_person(chance), name(chance))
        case _:
            return thing(chance, kinds)


def name(chance: Chance) -> Named:
    """A person by first name, or by surname with a title."""
    sex = chance.one_of((Sex.HE, Sex.SHE))
    if chance.happens(30):
        return Named(chance.weighted(SURNAMES, _ranks(len(SURNAMES))), sex, titled=True)
    names = MEN if sex is Sex.HE else WOMEN
    return Named(chance.weighted(names, _ranks(len(names))), sex)


@cache
def _ranks(length: int) -> tuple[int, ...]:
    return tuple(zipf(rank) for rank in range(length))


def plain_person(chance: Chance) -> Entity:
    """Someone with an article and no more."""
    return Entity(noun(chance, PERSON), THE)


def thing(chance: Chance, kinds: tuple[str, ...], possessor: Phrase | None = None) -> Entity:
    """Someone or something called by a noun, described as it comes.

    Args:
        chance: Source of the choices.
        kinds: What it may be.
        possessor: Who else is there and may own it: ``his``.
    """
    chosen = noun(chance, kinds)
    if "part" in chosen.kinds:
        return Entity(chosen, THE, owner=Entity(noun(chance, ("building",)), THE))
    if not chosen.counted:
        return _mass(chance, chosen)
    entity = _determined(chance, chosen, possessor)
    entity = replace(entity, descriptions=descriptions(chance, entity))
    return _attributed(chance, _owned(chance, entity))


def _mass(chance: Chance, chosen: Noun) -> Entity:
    """What is not counted: ``bread``, ``the bread``, ``two slices of bread``."""
    measures = _measures(chosen)
    if measures and chance.happens(45):
        measure = chance.weighted(measures, [measure.weight for measure in measures])
        if chance.happens(35):
            few = chance.between(2, _TEACHABLE)
            number = Adverbial(english_number(few), german_number(few))
            return Entity(measure, BARE, plural=True, quantity=number, contents=chosen)
        return Entity(measure, chance.mixed({A: 5, THE: 1}), contents=chosen)
    entity = Entity(chosen, THE if "idea" in chosen.kinds or chance.happens(55) else BARE)
    return replace(entity, descriptions=descriptions(chance, entity))


@cache
def _measures(contents: Noun) -> tuple[Noun, ...]:
    """What it is served in; hot drinks in cups alone."""
    kind = next((kind for kind in ("hot", "drink", "sliced") if kind in contents.kinds), None)
    return tuple(m for m in nouns_of(("measure",)) if f"holds_{kind}" in m.kinds)


def _determined(chance: Chance, chosen: Noun, possessor: Phrase | None) -> Entity:
    plural = chance.happens(24)
    mine = 16 if _may_be_owned(chosen, plural=plural) else 0
    form = chance.mixed(
        {"the": 46, "a": 22, "mine": mine, "this": 8, "many": 10 * plural, "two": 16 * plural}
    )
    match form:
        case "the":
            number = quantity(chance) if plural and chance.happens(10) else None
            return Entity(chosen, THE, plural, number)
        case "a":
            article = _indefinite(chance, chosen) if plural else A
            return Entity(chosen, article, plural)
        case "mine":
            return Entity(chosen, possessive(chance, possessor), plural)
        case "this":
            return Entity(chosen, chance.mixed({THIS: 3, THAT: 1}), plural)
        case "many":
            return Entity(chosen, chance.mixed(QUANTIFIERS), plural)
        case _:
            return Entity(chosen, BARE, plural, quantity(chance))


def _indefinite(chance: Chance, chosen: Noun) -> Determiner:
    """What makes a plural indefinite: mostly a word where people are meant."""
    if "person" in chosen.kinds and chance.happens(75):
        return chance.mixed(QUANTIFIERS)
    return BARE


def _may_be_owned(chosen: Noun, *, plural: bool) -> bool:
    """Whether one says ``my`` with it; one has only one father."""
    kinds = chosen.kinds
    if "person" in kinds:
        return "kin" in kinds and not (plural and "only" in kinds)
    if "animal" in kinds:
        return "pet" in kinds or "farm" in kinds
    return "place" not in kinds or "room" in kinds or "home" in kinds


def descriptions(chance: Chance, entity: Entity) -> tuple[Description, ...]:
    """Adjectives that suit an entity: mostly none, rarely two."""
    named = names_of(entity.noun)
    fitting = [a for a in adjectives_for(named) if not a.en.startswith(entity.noun.en)]
    if not fitting or not chance.happens(44):
        return ()
    first = chance.weighted(fitting, weights(fitting, named))
    if entity.determiner is THE and first.de_comparative and chance.happens(14):
        return (Description(first, Degree.SUPERLATIVE),)
    if entity.determiner is A and first.de_comparative and chance.happens(18):
        return (Description(first, intensifier=INTENSIFIERS[0]),)
    colours = [adjective for adjective in fitting if adjective.en in _COLOURS]
    if colours and first not in colours and chance.happens(30):
        return (Description(first), Description(chance.one_of(colours)))
    return (Description(first),)


def _owned(chance: Chance, entity: Entity) -> Entity:
    """Sometimes with an owner: ``Anna's car``, ``the teacher's car``."""
    superlative = any(d.degree is Degree.SUPERLATIVE for d in entity.descriptions)
    if entity.determiner is not THE or entity.quantity or superlative or not chance.happens(18):
        return entity
    if not _may_be_owned(entity.noun, plural=entity.plural):
        return entity
    return replace(entity, owner=name(chance) if chance.happens(60) else plain_person(chance))


def _attributed(chance: Chance, entity: Entity) -> Entity:
    """Sometimes, for a person, with what one recognises it by: ``the man with the red hat``."""
    if "person" not in entity.noun.kinds or entity.owner or not chance.happens(7):
        return entity
    article = BARE if entity.plural else chance.mixed({THE: 2, A: 1})
    worn = Entity(noun(chance, ("clothing",)), article, entity.plural)
    worn = replace(worn, descriptions=descriptions(chance, worn))
    return replace(entity, attribute=Prepositional("with", "mit", Case.DATIVE, worn))
