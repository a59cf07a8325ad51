"""Makes up what happens: one clause at a time."""

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache

from automl_tf.data.grammar import scenes
from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.function_words import (
    A,
    ASPECT,
    BARE,
    COMMENTS,
    FREQUENCY,
    MODALS,
    NO,
    PAST_COMMENTS,
    PLAYED,
    THE,
    Adverbial,
)
from automl_tf.data.grammar.ideas import (
    PERSON,
    kinds_of,
    name,
    noun,
    plain_person,
    pronoun,
    someone,
    thing,
)
from automl_tf.data.grammar.meaning import (
    THIRD,
    Clause,
    Entity,
    Named,
    Personal,
    Phrase,
    Prepositional,
    Tense,
    goes_first,
    is_plural,
    person_of,
)
from automl_tf.data.grammar.times import time_for
from automl_tf.data.grammar.verbs import actions, dealings, moves, special
from automl_tf.data.grammar.words import Case, Frame, Verb, zipf

_WITHOUT_OBJECT = (Frame.NOTHING, Frame.GOAL, Frame.PLACE)


class Detail(Enum):
    """How much may be said beside verb and objects."""

    FULL = auto()
    SOME = auto()
    """In a clause that another follows or that depends on another."""
    NONE = auto()


@dataclass(frozen=True)
class Wish:
    """What is settled before a clause is made up.

    Attributes:
        subject: Who does it.
        direct: Whom or what it is done to.
        tense: When.
        detail: How much more may be said.
        plain: Whether neither modal verbs, ``likes to`` nor negation are wanted.
        frames: Which frames of verbs are wanted.
    """

    subject: Phrase | None = None
    direct: Phrase | None = None
    tense: Tense | None = None
    detail: Detail = Detail.FULL
    plain: bool = False
    frames: tuple[Frame, ...] = tuple(Frame)


@cache
def _verbs(frames: tuple[Frame, ...], doers: tuple[str, ...], done_to: tuple[str, ...]) -> tuple[Verb, ...]:
    """Verbs of some frames that suit their arguments; no kinds are any kinds."""
    return tuple(
        verb
        for verb in (*actions(), *dealings(), *moves())
        if verb.frame in frames
        and (not doers or set(doers) & set(verb.subjects))
        and (not done_to or set(done_to) & set(verb.objects))
    )
