"""Makes up where, where to and how something happens."""

from dataclasses import replace

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.function_words import MANNERS, THE, A
from automl_tf.data.grammar.ideas import descriptions, noun, perhaps_compound
from automl_tf.data.grammar.meaning import (
    Circumstance,
    Entity,
    Phrase,
    Prepositional,
)
from automl_tf.data.grammar.people import CITIES
from automl_tf.data.grammar.places import Launcher, all_sites
from automl_tf.data.grammar.pronouns import possessive
from automl_tf.data.grammar.words import Adverbial, Case, Frame, Verb, zipf

_BESIDE = {"behind": "hinter", "in front of": "vor", "next to": "neben"}


def _site(chance: Chance) -> Launcher:
    sites = all_sites()
    site = chance.weighted(sites, [site.noun.weight for site in sites])
    return replace(site, noun=perhaps_compound(chance, site.noun))


def _site_entity(chance: Chance, site: Launcher, visitor: Phrase | None) -> Entity:
    form = chance.mixed(
        {"the": 76, "a": 10, "mine": 14 if {"room", "home"} & set(site.noun.kinds) else 0}
    )
    determiner = {"the": THE, "a": A}.get(form) or possessive(chance, visitor)
    entity = Entity(site.noun, determiner)
    return (
        replace(entity, descriptions=descriptions(chance, entity)) if chance.happens(70) else entity
    )


def _city(chance: Chance) -> tuple[str, str]:
    weights = [zipf(rank) for rank in range(len(CITIES))]
    return chance.weighted(list(CITIES.items()), weights)


def city(chance: Chance) -> Adverbial:
    """In a city or a country."""
    english, german = _city(chance)
    return Adverbial(f"in {english}", f"in {german}")


def place(chance: Chance, visitor: Phrase | None = None) -> Circumstance:
    """Where something happens: ``in the garden``, ``in Vienna``, ``behind the old house``."""
    form = chance.mixed({"site": 66, "city": 18, "beside": 16})
    if form == "city":
        return city(chance)
    if form == "beside":
        return beside(chance)
    site = _site(chance)
    return Prepositional(site.en_at, site.de_at, Case.DATIVE, _site_entity(chance, site, visitor))


def beside(chance: Chance) -> Prepositional:
    """Near something that does not move, with the dative."""
    english, german = chance.one_of(list(_BESIDE.items()))
    landmark = Entity(noun(chance, ("fixed", "building")), THE)
    landmark = replace(landmark, descriptions=descriptions(chance, landmark))
    return Prepositional(english, german, Case.DATIVE, landmark)


def goal(chance: Chance, verb: Verb, visitor: Phrase | None = None) -> Circumstance:
    """Where something goes: ``into the garden``, ``to Vienna``, ``on the table``."""
    if verb.frame is Frame.PLACING:
        return _laid(chance)
    if "city" in verb.objects or chance.happens(15):
        english, german = _city(chance)
        return Adverbial(f"to {english}", f"nach {german}")
    site = _site(chance)
    entity = _site_entity(chance, site, visitor)
    return Prepositional(site.en_to, site.de_to, site.goal_case, entity)


def _laid(chance: Chance) -> Prepositional:
    """A place for something put down, with the accusative."""
    english, german = chance.mixed(
        {("on", "auf"): 5, ("under", "unter"): 2, ("next to", "neben"): 2}
    )
    return Prepositional(english, german, Case.ACCUSATIVE, Entity(noun(chance, ("top",)), THE))


def manner(chance: Chance) -> Adverbial:
    """How something happens."""
    return chance.weighted(MANNERS, [zipf(rank) for rank in range(len(MANNERS))])


def instrument(chance: Chance) -> Prepositional:
    """With what something is done."""
    tool = Entity(noun(chance, ("instrument",)), chance.mixed({THE: 1, A: 2}))
    return Prepositional("with", "mit", Case.DATIVE, tool)
