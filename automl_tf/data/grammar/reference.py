"""Makes up a second clause about those whom the first one has named."""

from dataclasses import replace

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.circumstances import Detail
from automl_tf.data.grammar.events import WITH_ONE_OBJECT, Wish, event, overlap
from automl_tf.data.grammar.function_words import NO
from automl_tf.data.grammar.ideas import kinds_of
from automl_tf.data.grammar.meaning import (
    THIRD,
    Clause,
    Entity,
    Personal,
    Phrase,
    Prepositional,
    Tense,
)
from automl_tf.data.grammar.pronouns import pronoun_for
from automl_tf.data.grammar.qualities import adjectives_for
from automl_tf.data.grammar.states import IT, quality
from automl_tf.data.grammar.verb_choice import can_happen
from automl_tf.data.grammar.words import Frame, Sex

_FOR_PEOPLE = WITH_ONE_OBJECT
_FOR_THINGS = (Frame.ACCUSATIVE, Frame.EXPERIENCE)
"""German has no personal pronoun for a thing behind a preposition (``darauf``)."""


def _named_in(clause: Clause) -> list[Phrase]:
    """Everyone and everything that a clause speaks of."""
    circumstances = (clause.place, clause.goal, clause.instrument, clause.agent)
    phrases = [clause.subject, clause.direct, clause.recipient]
    phrases += [what.phrase for what in circumstances if isinstance(what, Prepositional)]
    return [phrase for phrase in phrases if phrase is not None]


def _is_clear(clause: Clause, pronoun: Personal) -> bool:
    """Whether a pronoun can mean only one of those in a clause."""
    if pronoun.sex is not Sex.IT or pronoun.plural:
        return True
    things = [
        p for p in _named_in(clause) if isinstance(p, Entity) and "person" not in p.noun.kinds
    ]
    return len(things) == 1 and things[0].owner is None


def taken_up(clause: Clause, phrase: Phrase | None) -> Personal | None:
    """The pronoun for someone or something in a clause, or none if it would not be clear."""
    if phrase is None or phrase == IT or (isinstance(phrase, Entity) and phrase.determiner is NO):
        return None
    pronoun = pronoun_for(phrase)
    return pronoun if pronoun and _is_clear(clause, pronoun) else None


def following(chance: Chance, first: Clause, tense: Tense, *, happening: bool = False) -> Clause:
    """A clause that goes on about the first one's subject, its object or both.

    Args:
        chance: Source of the choices.
        first: The clause before; if it says when, the new one does not.
        tense: Tense of the new clause.
        happening: Whether it must tell what happens, not how something is.
    """
    clause = _about(chance, first, tense, happening=happening)
    return replace(clause, time=None) if first.time else clause


def _about(chance: Chance, first: Clause, tense: Tense, *, happening: bool) -> Clause:
    doer, thing = taken_up(first, first.subject), taken_up(first, first.direct)
    if thing and first.direct and chance.happens(45):
        kinds = kinds_of(first.direct)
        if not happening and adjectives_for(kinds) and chance.happens(30):
            return quality(chance, thing, tense, kinds)
        about_both = _about_both(chance, first, doer, thing, tense)
        if about_both:
            return about_both
    if not happening and doer and adjectives_for(kinds_of(first.subject)) and chance.happens(25):
        return quality(chance, doer, tense, kinds_of(first.subject))
    if doer and can_happen(tuple(Frame), kinds_of(first.subject), ()) and chance.happens(80):
        return event(
            chance,
            Wish(subject=doer, doers=kinds_of(first.subject), tense=tense, detail=Detail.SOME),
        )
    return event(chance, Wish(tense=tense, detail=Detail.SOME))


def _about_both(
    chance: Chance, first: Clause, doer: Personal | None, thing: Personal, tense: Tense
) -> Clause | None:
    """``because he needs it``; none if no verb fits or it is not clear who is who."""
    assert first.direct
    done_to = kinds_of(first.direct)
    doers = kinds_of(first.subject) if doer else ()
    frames = _FOR_PEOPLE if "person" in done_to else _FOR_THINGS
    alike = doer == thing or (doer and overlap(doer, thing) and doer.person < THIRD)
    if alike or not can_happen(frames, doers, done_to):
        return None
    return event(
        chance,
        Wish(
            subject=doer,
            doers=doers,
            direct=thing,
            done_to=done_to,
            tense=tense,
            detail=Detail.SOME,
            frames=frames,
        ),
    )
