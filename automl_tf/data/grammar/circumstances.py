"""Adds to a clause what may be said beside verb and objects: modality, time, place, manner."""

from dataclasses import replace
from enum import Enum, auto

from automl_tf.data.grammar import scenes
from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.features import has_relative
from automl_tf.data.grammar.function_words import (
    ASPECT,
    BARE,
    COMMENTS,
    FREQUENCY,
    MODALS,
    NO,
    PAST_COMMENTS,
    QUANTIFIERS,
    A,
)
from automl_tf.data.grammar.meaning import Clause, Entity, Relative, Tense
from automl_tf.data.grammar.times import time_for
from automl_tf.data.grammar.words import Adverbial, Frame, zipf

_QUANTIFIERS = tuple(QUANTIFIERS)
_OPEN = (A, BARE, *_QUANTIFIERS)
_WITH_TOOLS = ("reparieren", "öffnen", "zerbrechen")
_KEEPS_PLACE = (Frame.PLACE, Frame.GOAL, Frame.PLACING)
_DELIBERATE = (
    "öffnen",
    "schließen",
    "schreiben",
    "lesen",
    "essen",
    "trinken",
    "waschen",
    "kochen",
    "putzen",
    "reparieren",
    "bauen",
    "nehmen",
    "tragen",
    "verstecken",
    "zeichnen",
    "backen",
    "füttern",
    "schieben",
    "fangen",
    "zerreißen",
    "ziehen",
)


_ENJOYED = (
    "lesen",
    "schreiben",
    "essen",
    "trinken",
    "kochen",
    "backen",
    "zeichnen",
    "besuchen",
    "kaufen",
    "tragen",
    "lernen",
    "tanzen",
    "schwimmen",
    "arbeiten",
    "lachen",
    "singen",
)


class Detail(Enum):
    """How much may be said beside verb and objects."""

    FULL = auto()
    SOME = auto()
    """For a clause beside others: nothing opens it but its subject."""
    NONE = auto()


def coloured(chance: Chance, clause: Clause) -> Clause:
    """Sometimes with a modal verb, ``likes to`` or a negation."""
    has_two = clause.tense in {Tense.PRESENT, Tense.PAST}
    if has_two and chance.happens(20) and clause.verb.frame is not Frame.EXPERIENCE:
        return _modal(chance, clause)
    if has_two and clause.verb.de.infinitive in _ENJOYED and chance.happens(20):
        return replace(clause, gladly=True)
    return negated(clause) if chance.happens(15) and can_be_negated(clause) else clause


def _modal(chance: Chance, clause: Clause) -> Clause:
    modals = {
        modal: share
        for modal, share in MODALS.items()
        if modal.has_past or clause.tense is Tense.PRESENT
    }
    clause = replace(clause, modal=chance.mixed(modals))
    return negated(clause) if chance.happens(18) and can_be_negated(clause) else clause


def can_be_negated(clause: Clause) -> bool:
    """Whether denying the clause has one plain meaning and one plain place for the negation."""
    if isinstance(clause.subject, Entity) and clause.subject.determiner in _OPEN:
        return False
    others = (clause.direct, clause.recipient)
    if any(isinstance(p, Entity) and (p.quantity or p.determiner in _QUANTIFIERS) for p in others):
        return False
    takes_kein = clause.verb.frame in {Frame.ACCUSATIVE, Frame.RECIPIENT, Frame.PLACING}
    open_ones = (clause.recipient,) if takes_kein else others
    return not any(isinstance(p, Entity) and p.determiner in (A, BARE) for p in open_ones)


def negated(clause: Clause) -> Clause:
    """The clause denied; an indefinite object becomes ``kein``."""
    direct = clause.direct
    if isinstance(direct, Entity) and direct.determiner in (A, BARE) and not direct.owner:
        return replace(clause, negated=True, direct=replace(direct, determiner=NO))
    return replace(clause, negated=True)


def situated(chance: Chance, clause: Clause, detail: Detail) -> Clause:
    """Sometimes with time, place, manner, frequency, instrument or comment."""
    if detail is Detail.NONE:
        return clause
    full = detail is Detail.FULL
    closed = has_relative(clause.direct) or isinstance(clause.direct, Relative)
    clause = _timed(chance, clause, 60 if full else 26)
    if clause.time is None:
        clause = _repeated(chance, clause)
    if not closed:
        clause = _placed(chance, clause, 30 if full else 14)
        clause = _done_somehow(chance, clause)
    if full and clause.time and chance.happens(42):
        return replace(clause, time_first=True)
    return (
        replace(clause, comment=_comment(chance, clause)) if full and chance.happens(10) else clause
    )


def _timed(chance: Chance, clause: Clause, percent: int) -> Clause:
    if not chance.happens(percent):
        return clause
    in_future = clause.modal is not None and clause.tense is Tense.PRESENT
    return replace(clause, time=time_for(chance, Tense.FUTURE if in_future else clause.tense))


def _repeated(chance: Chance, clause: Clause) -> Clause:
    if clause.negated or clause.gladly or clause.modal or clause.verb.en.stative:
        return clause
    if clause.tense is Tense.PERFECT and chance.happens(22):
        return replace(clause, frequency=chance.one_of(ASPECT))
    often = {Tense.PRESENT: 28, Tense.PAST: 9}.get(clause.tense, 0)
    if not chance.happens(often):
        return clause
    return replace(clause, frequency=by_rank(chance, FREQUENCY))


def by_rank(chance: Chance, adverbs: tuple[Adverbial, ...]) -> Adverbial:
    """One of the adverbs, the first ones more often."""
    return chance.weighted(adverbs, [zipf(rank) for rank in range(len(adverbs))])


def _placed(chance: Chance, clause: Clause, percent: int) -> Clause:
    verb = clause.verb
    if verb.frame in _KEEPS_PLACE or verb.en.stative or not chance.happens(percent):
        return clause
    return replace(clause, place=scenes.place(chance, clause.subject))


def _done_somehow(chance: Chance, clause: Clause) -> Clause:
    verb = clause.verb
    if clause.negated or clause.gladly:
        return clause
    if verb.de.infinitive in _WITH_TOOLS and chance.happens(40):
        return replace(clause, instrument=scenes.instrument(chance))
    deliberate = verb.frame is Frame.GOAL or verb.de.infinitive in _DELIBERATE
    if deliberate and chance.happens(22):
        return replace(clause, manner=scenes.manner(chance))
    return clause


def _comment(chance: Chance, clause: Clause) -> Adverbial:
    past = clause.tense is Tense.PAST and chance.happens(40)
    return by_rank(chance, PAST_COMMENTS if past else COMMENTS)
