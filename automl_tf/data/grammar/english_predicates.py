"""The English verb group: auxiliaries, ``do`` and the main verb."""

from dataclasses import dataclass

from automl_tf.data.grammar.features import is_plural, person_of
from automl_tf.data.grammar.meaning import (
    THIRD,
    Clause,
    Phrase,
    Tense,
)
from automl_tf.data.grammar.nouns import english_plural
from automl_tf.data.grammar.words import EnglishVerb

_BE = EnglishVerb("be", "was", "been", "being")
_LIKE = EnglishVerb("like", "liked", "liked", "liking")
_OWN_THIRD = {"have": "has", "go": "goes", "do": "does", "be": "is"}


@dataclass(frozen=True)
class Chain:
    """The verbs of a clause.

    Attributes:
        first: The finite verb.
        rest: The other verbs.
        base: What ``do`` leaves of the finite verb; empty if that is an auxiliary itself.
    """

    first: str
    rest: tuple[str, ...] = ()
    base: str = ""


def verb_chain(clause: Clause) -> Chain:
    """The verbs of a clause without ``do``."""
    subject, tense = clause.subject, clause.tense
    if clause.modal:
        return _with_modal(clause)
    if clause.gladly:
        return Chain(_finite(_LIKE, tense, subject), ("to", clause.verb.en.base), "like")
    if clause.passive:
        return _continued(_be_chain(tense, subject), clause.verb.en.participle)
    verb = clause.verb.en
    match tense:
        case Tense.PRESENT | Tense.PAST:
            base = "" if verb.base == "be" else verb.base
            return Chain(_finite(verb, tense, subject), (), base)
        case Tense.CONTINUOUS:
            return Chain(_finite(_BE, Tense.PRESENT, subject), (verb.ing,))
        case Tense.FUTURE:
            return Chain("will", (verb.base,))
        case _:
            return Chain(_have(tense, subject), (verb.participle,))


def with_do(chain: Chain, clause: Clause) -> Chain:
    """The same verbs with an auxiliary in front, as ``not`` and questions need it."""
    if not chain.base:
        return chain
    do = EnglishVerb("do", "did", "done", "doing")
    return Chain(_finite(do, clause.tense, clause.subject), (chain.base, *chain.rest))


def _with_modal(clause: Clause) -> Chain:
    assert clause.modal
    verb = clause.verb.en
    infinitive = ("be", verb.participle) if clause.passive else (verb.base,)
    form = clause.modal.en_past if clause.tense is Tense.PAST else clause.modal.en
    first, *more = form.split()
    if not clause.modal.lexical:
        return Chain(first, (*more, *infinitive))
    base = clause.modal.en.split()[0]
    past = clause.modal.en_past.split()[0]
    wanting = EnglishVerb(base, past, past, "")
    return Chain(_finite(wanting, clause.tense, clause.subject), (*more, *infinitive), base)


def _be_chain(tense: Tense, subject: Phrase) -> Chain:
    if tense is Tense.FUTURE:
        return Chain("will", ("be",))
    if tense in {Tense.PERFECT, Tense.PLUPERFECT}:
        return Chain(_have(tense, subject), ("been",))
    return Chain(_finite(_BE, tense, subject))


def _continued(chain: Chain, word: str) -> Chain:
    return Chain(chain.first, (*chain.rest, word), chain.base)


def _have(tense: Tense, subject: Phrase) -> str:
    if tense is Tense.PLUPERFECT:
        return "had"
    return _finite(EnglishVerb("have", "had", "had", "having"), Tense.PRESENT, subject)


def _finite(verb: EnglishVerb, tense: Tense, subject: Phrase) -> str:
    singular_third = person_of(subject) == THIRD and not is_plural(subject)
    if verb.base == "be":
        return _finite_be(tense, subject)
    if tense is Tense.PAST:
        return verb.past
    return third_person(verb.base) if singular_third else verb.base


def third_person(base: str) -> str:
    """The third person singular of the present: ``goes``, ``carries``, ``reads``."""
    return _OWN_THIRD.get(base) or english_plural(base)


def _finite_be(tense: Tense, subject: Phrase) -> str:
    person, plural = person_of(subject), is_plural(subject)
    many = plural or person == len(("I", "you"))
    if tense is Tense.PAST:
        return "were" if many else "was"
    if many:
        return "are"
    return "is" if person == THIRD else "am"
