"""Makes up what happens: one clause at a time."""

from dataclasses import dataclass, replace

from automl_tf.data.grammar import scenes
from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.circumstances import Detail, coloured, situated
from automl_tf.data.grammar.features import person_of
from automl_tf.data.grammar.ideas import PERSON, kinds_of, name, plain_person, someone, thing
from automl_tf.data.grammar.meaning import (
    Clause,
    Entity,
    Pair,
    Personal,
    Phrase,
    Tense,
)
from automl_tf.data.grammar.pronouns import pronoun
from automl_tf.data.grammar.verb_choice import choose_verb, is_he_or_she, looks_the_same
from automl_tf.data.grammar.words import Frame, Verb

WITH_ONE_OBJECT = (Frame.ACCUSATIVE, Frame.DATIVE, Frame.PREPOSITION)
_TENSES = {
    Tense.PAST: 44,
    Tense.PRESENT: 20,
    Tense.PERFECT: 13,
    Tense.FUTURE: 9,
    Tense.CONTINUOUS: 9,
    Tense.PLUPERFECT: 2,
}
_TRIES = 20


@dataclass(frozen=True)
class Wish:
    """What is settled before a clause is made up.

    Attributes:
        subject: Who does it.
        doers: Kinds of the subject; needed for a relative pronoun alone.
        direct: Whom or what it is done to.
        done_to: Kinds of the object; needed for a pronoun.
        tense: When.
        detail: How much more may be said.
        plain: Whether modal verbs, ``likes to`` and negation are unwanted.
        frames: Which frames of verbs are wanted.
    """

    subject: Phrase | None = None
    doers: tuple[str, ...] = ()
    direct: Phrase | None = None
    done_to: tuple[str, ...] = ()
    tense: Tense | None = None
    detail: Detail = Detail.FULL
    plain: bool = False
    frames: tuple[Frame, ...] = tuple(Frame)


def event(chance: Chance, wish: Wish) -> Clause:
    """A clause that fulfils a wish."""
    tense = wish.tense or any_tense(chance)
    verb, subject = _verb_and_subject(chance, wish, tense)
    if tense is Tense.CONTINUOUS and verb.en.stative:
        tense = Tense.PRESENT
    if looks_the_same(verb, tense) and not is_he_or_she(subject):
        subject = name(chance)
    clause = _with_objects(chance, Clause(subject, verb, tense), wish)
    if not wish.plain:
        clause = coloured(chance, clause)
    return situated(chance, clause, wish.detail)


def any_tense(chance: Chance) -> Tense:
    """A tense of a main clause."""
    return chance.mixed(_TENSES)


def _verb_and_subject(chance: Chance, wish: Wish, tense: Tense) -> tuple[Verb, Phrase]:
    subject = wish.subject
    doers = wish.doers or (kinds_of(subject) if subject else ())
    done_to = wish.done_to or (kinds_of(wish.direct) if wish.direct else ())
    for _ in range(_TRIES):
        verb = choose_verb(chance, wish.frames, doers, done_to)
        if not (subject and looks_the_same(verb, tense) and not is_he_or_she(subject)):
            return verb, subject or _doer(chance, verb, wish)
    raise AssertionError("no verb fits")


def _doer(chance: Chance, verb: Verb, wish: Wish) -> Phrase:
    return _other_than(chance, wish.direct, verb.subjects)


def _other_than(chance: Chance, taken: Phrase | None, kinds: tuple[str, ...]) -> Phrase:
    """Someone who is not the one already spoken of."""
    for _ in range(_TRIES):
        found = someone(chance, kinds)
        if not (taken and overlap(found, taken)):
            return found
    return name(chance)


def overlap(first: Phrase, second: Phrase) -> bool:
    """Whether two phrases may mean the same, or sound odd together."""
    match first, second:
        case (Pair(), _):
            return overlap(first.first, second) or overlap(first.second, second)
        case (_, Pair()):
            return overlap(second, first)
        case (Personal(), Personal()):
            return person_of(first) == person_of(second)
        case (Entity(), Entity()):
            return first.noun.en[-1] == second.noun.en[-1]
        case _:
            return first == second


def _with_objects(chance: Chance, clause: Clause, wish: Wish) -> Clause:
    verb, subject = clause.verb, clause.subject
    match verb.frame:
        case Frame.NOTHING:
            return clause
        case Frame.GOAL:
            return replace(clause, goal=scenes.goal(chance, verb, subject))
        case Frame.PLACE:
            return replace(clause, place=scenes.place(chance, subject))
        case Frame.PLACING:
            put = wish.direct or thing(chance, verb.objects, subject)
            return replace(clause, direct=put, goal=scenes.goal(chance, verb))
        case Frame.RECIPIENT:
            recipient = _person_object(chance, subject)
            return replace(clause, direct=thing(chance, verb.objects, subject), recipient=recipient)
        case _:
            return replace(clause, direct=wish.direct or _object(chance, clause))


def _object(chance: Chance, clause: Clause) -> Phrase:
    kinds = clause.verb.objects
    if "person" in kinds and (kinds == PERSON or chance.happens(35)):
        return _person_object(chance, clause.subject)
    for _ in range(_TRIES):
        found = thing(chance, kinds, clause.subject)
        if not overlap(found, clause.subject):
            return found
    return _person_object(chance, clause.subject)


def _person_object(chance: Chance, subject: Phrase) -> Phrase:
    for _ in range(_TRIES):
        form = chance.mixed({"pronoun": 26, "name": 22, "noun": 48, "plain": 4})
        match form:
            case "pronoun":
                found: Phrase = pronoun(chance)
            case "name":
                found = name(chance)
            case "noun":
                found = thing(chance, PERSON, subject)
            case _:
                found = plain_person(chance)
        if not overlap(found, subject):
            return found
    return name(chance)
