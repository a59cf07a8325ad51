"""Makes up relative clauses."""

from dataclasses import replace
from typing import TypeGuard

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.circumstances import Detail
from automl_tf.data.grammar.events import WITH_ONE_OBJECT, Wish, event
from automl_tf.data.grammar.function_words import BARE, POSSESSIVES
from automl_tf.data.grammar.ideas import kinds_of, noun
from automl_tf.data.grammar.meaning import (
    Clause,
    Entity,
    Phrase,
    Relative,
    Tense,
)
from automl_tf.data.grammar.states import quality
from automl_tf.data.grammar.verb_choice import can_happen
from automl_tf.data.grammar.words import Frame

_TENSES = {Tense.PAST: 5, Tense.PRESENT: 4, Tense.PERFECT: 3}
_BY_OBJECT = (*WITH_ONE_OBJECT, Frame.EXPERIENCE)


def can_be_described(phrase: Phrase | None) -> TypeGuard[Entity]:
    """Whether a relative clause may follow the phrase without being taken for another's."""
    return (
        isinstance(phrase, Entity)
        and phrase.relative is None
        and not (phrase.owner or phrase.contents or phrase.attribute)
        and phrase.determiner not in (BARE, *POSSESSIVES)
    )


def with_relative(chance: Chance, entity: Entity) -> Entity:
    """The entity with a relative clause behind it."""
    return replace(entity, relative=_relative(chance, entity))


def _relative(chance: Chance, entity: Entity) -> Clause:
    kinds = kinds_of(entity)
    human = "person" in kinds
    tense = chance.mixed(_TENSES)
    link = Relative(entity.noun.gender, entity.plural, human)
    if human and chance.happens(14):
        return _whose(chance, link, tense)
    as_object = can_happen(_BY_OBJECT, (), kinds)
    as_subject = can_happen(tuple(Frame), kinds, ())
    if as_object and (chance.happens(45) or not as_subject):
        link = replace(link, unsaid=chance.happens(35))
        return event(
            chance,
            Wish(
                direct=link,
                done_to=kinds,
                tense=tense,
                detail=Detail.NONE,
                plain=not chance.happens(25),
                frames=_BY_OBJECT,
            ),
        )
    if as_subject:
        return event(chance, Wish(subject=link, doers=kinds, tense=tense, detail=Detail.NONE))
    return quality(chance, link, tense, kinds)


def _whose(chance: Chance, link: Relative, tense: Tense) -> Clause:
    """``whose car is broken``, ``whose brother bought the house``."""
    if chance.happens(50):
        owned = Entity(noun(chance, ("vehicle", "goods", "pet")), BARE, owner=link)
        return quality(chance, owned, tense)
    kin = Entity(noun(chance, ("kin",)), BARE, owner=link)
    return event(chance, Wish(subject=kin, tense=tense, detail=Detail.NONE))
