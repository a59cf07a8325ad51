"""Makes up people, things and places: the phrases of a meaning."""

from dataclasses import replace
from functools import cache

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.compounds import compounds_of
from automl_tf.data.grammar.function_words import (
    A,
    BARE,
    HER,
    HIS,
    INTENSIFIERS,
    MY,
    OUR,
    QUANTIFIERS,
    THAT,
    THE,
    THEIR,
    THIS,
    YOUR,
)
from automl_tf.data.grammar.meaning import (
    THIRD,
    Degree,
    Description,
    Entity,
    Named,
    Pair,
    Personal,
    Phrase,
    Prepositional,
    Relative,
    is_plural,
    person_of,
)
from automl_tf.data.grammar.numbers import (
    english_digits,
    english_number,
    german_digits,
    german_number,
)
from automl_tf.data.grammar.people import MEN, SURNAMES, WOMEN
from automl_tf.data.grammar.places import nouns_of
from automl_tf.data.grammar.qualities import adjectives_for
from automl_tf.data.grammar.words import (
    Adverbial,
    Case,
    Determiner,
    Gender,
    Noun,
    Sex,
    zipf,
)

PERSON = ("person",)
_TEACHABLE = 12
_HUNDRED, _THOUSAND, _MOST = 100, 1000, 9999


@cache
def _weights(nouns: tuple[Noun, ...]) -> tuple[int, ...]:
    return tuple(noun.weight for noun in nouns)


def noun(chance: Chance, kinds: tuple[str, ...]) -> Noun:
    """A noun of one of the kinds, sometimes as the head of a compound."""
    nouns = nouns_of(kinds)
    chosen = chance.weighted(nouns, _weights(nouns))
    compounds = compounds_of(chosen)
    return chance.one_of(compounds) if compounds and chance.happens(22) else chosen


def names_of(thing: Noun) -> tuple[str, ...]:
    """What adjectives and verbs may call a thing: its kinds and its own name."""
    return (*thing.kinds, thing.en)


def kinds_of(phrase: Phrase) -> tuple[str, ...]:
    """The kinds of what a phrase stands for; a name or a pronoun is taken for a person."""
    return names_of(phrase.noun) if isinstance(phrase, Entity) else PERSON


def quantity(chance: Chance) -> Adverbial:
    """A number of two or more, in words or in digits."""
    size = chance.mixed({_TEACHABLE: 60, _HUNDRED: 30, _THOUSAND: 8, _MOST: 2})
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


def pronoun(chance: Chance) -> Personal:
    """A personal pronoun; never ``it``, which needs something to stand for."""
    return chance.mixed(
        {
            Personal(1): 4,
            Personal(2): 3,
            Personal(THIRD, sex=Sex.HE, gender=Gender.MASCULINE): 4,
            Personal(THIRD, sex=Sex.SHE, gender=Gender.FEMININE): 4,
            Personal(1, plural=True): 2,
            Personal(THIRD, plural=True): 3,
        }
    )


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
        measure = chance.weighted(measures, _weights(measures))
        if chance.happens(35):
            few = chance.between(2, _TEACHABLE)
            number = Adverbial(english_number(few), german_number(few))
            return Entity(measure, BARE, plural=True, quantity=number, contents=chosen)
        return Entity(measure, chance.mixed({A: 5, THE: 1}), contents=chosen)
    entity = Entity(chosen, chance.mixed({BARE: 4, THE: 5}))
    return replace(entity, descriptions=descriptions(chance, entity))


@cache
def _measures(contents: Noun) -> tuple[Noun, ...]:
    """What it is served in; hot drinks in cups alone."""
    kind = next((kind for kind in ("hot", "drink", "sliced") if kind in contents.kinds), None)
    return tuple(m for m in nouns_of(("measure",)) if f"holds_{kind}" in m.kinds)


def _determined(chance: Chance, chosen: Noun, possessor: Phrase | None) -> Entity:
    plural = chance.happens(24)
    form = chance.mixed(
        {"the": 46, "a": 22, "mine": 16, "this": 8, "many": 10 * plural, "two": 16 * plural}
    )
    match form:
        case "the":
            number = quantity(chance) if plural and chance.happens(10) else None
            return Entity(chosen, THE, plural, number)
        case "a":
            return Entity(chosen, BARE if plural else A, plural)
        case "mine":
            return Entity(chosen, possessive(chance, possessor), plural)
        case "this":
            return Entity(chosen, chance.mixed({THIS: 3, THAT: 1}), plural)
        case "many":
            return Entity(chosen, chance.mixed(QUANTIFIERS), plural)
        case _:
            return Entity(chosen, BARE, plural, quantity(chance))


def possessive(chance: Chance, possessor: Phrase | None) -> Determiner:
    """A possessive; mostly that of the possessor, if there is one that has a pronoun."""
    own = _possessive_of(possessor)
    if own and chance.happens(65):
        return own
    return chance.mixed({MY: 5, YOUR: 3, OUR: 3, HIS: 1, HER: 1, THEIR: 1})


def _possessive_of(possessor: Phrase | None) -> Determiner | None:
    match possessor:
        case None | Relative():
            return None
        case _ if person_of(possessor) < THIRD:
            return {(1, False): MY, (2, False): YOUR}.get(
                (person_of(possessor), is_plural(possessor)), OUR
            )
        case _ if is_plural(possessor):
            return THEIR
        case _:
            return {Sex.HE: HIS, Sex.SHE: HER}.get(sex_of(possessor))


def sex_of(phrase: Phrase) -> Sex:
    """Which English pronoun stands for a singular phrase."""
    match phrase:
        case Named() | Personal():
            return phrase.sex
        case Entity():
            return phrase.noun.sex
        case _:
            return Sex.UNSAID


def descriptions(chance: Chance, entity: Entity) -> tuple[Description, ...]:
    """Adjectives that suit an entity: mostly none, rarely two."""
    fitting = adjectives_for(names_of(entity.noun))
    if not fitting or not chance.happens(32):
        return ()
    weights = [adjective.weight for adjective in fitting]
    first = chance.weighted(fitting, weights)
    if entity.determiner is THE and first.de_comparative and chance.happens(14):
        return (Description(first, Degree.SUPERLATIVE),)
    if entity.determiner is A and first.de_comparative and chance.happens(18):
        return (Description(first, intensifier=INTENSIFIERS[0]),)
    second = chance.weighted(fitting, weights)
    if second.de != first.de and chance.happens(12):
        return (Description(first), Description(second))
    return (Description(first),)


def _owned(chance: Chance, entity: Entity) -> Entity:
    """Sometimes with an owner: ``Anna's car``, ``the teacher's car``."""
    superlative = any(d.degree is Degree.SUPERLATIVE for d in entity.descriptions)
    if entity.determiner is not THE or entity.quantity or superlative or not chance.happens(16):
        return entity
    return replace(entity, owner=name(chance) if chance.happens(60) else plain_person(chance))


def _attributed(chance: Chance, entity: Entity) -> Entity:
    """Sometimes, for a person, with what one recognises it by: ``the man with the red hat``."""
    if "person" not in entity.noun.kinds or entity.owner or not chance.happens(6):
        return entity
    worn = Entity(noun(chance, ("clothing",)), chance.mixed({THE: 2, A: 1}))
    worn = replace(worn, descriptions=descriptions(chance, worn))
    return replace(entity, attribute=Prepositional("with", "mit", Case.DATIVE, worn))


def pronoun_for(phrase: Phrase) -> Personal | None:
    """The pronoun that takes a phrase up again, or none where it would be unclear or odd."""
    match phrase:
        case Personal():
            return phrase
        case Pair():
            return Personal(THIRD, plural=True)
        case Entity(plural=True):
            return Personal(THIRD, plural=True)
        case Entity() | Named():
            return _singular_pronoun(phrase)
        case _:
            return None


def _singular_pronoun(phrase: Entity | Named) -> Personal | None:
    match sex_of(phrase):
        case Sex.HE:
            return Personal(THIRD, sex=Sex.HE, gender=Gender.MASCULINE)
        case Sex.SHE:
            return Personal(THIRD, sex=Sex.SHE, gender=Gender.FEMININE)
        case Sex.IT if isinstance(phrase, Entity) and phrase.noun.counted:
            return Personal(THIRD, sex=Sex.IT, gender=phrase.noun.gender)
        case _:
            return None
