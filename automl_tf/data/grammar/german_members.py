"""The members of a German clause and their places."""

from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from automl_tf.data.grammar.features import goes_first, is_existential, is_plural
from automl_tf.data.grammar.function_words import INDEFINITE, NO
from automl_tf.data.grammar.german_nouns import noun_form
from automl_tf.data.grammar.german_phrases import (
    circumstance,
    comparison,
    phrase_words,
    prepositional,
    reflexive_pronoun,
)
from automl_tf.data.grammar.meaning import (
    Clause,
    Comparison,
    Entity,
    Personal,
    Phrase,
    Predicate,
    Profession,
    Relative,
)
from automl_tf.data.grammar.words import Case, Frame


class Order(Enum):
    """Where the finite verb stands."""

    SECOND = auto()
    FIRST = auto()
    LAST = auto()
    ZU = auto()
    """Nowhere: an infinitive with ``zu`` closes the clause."""
    CONTINUED = auto()
    """Second, behind a subject that the clause before has named."""


class Slot(IntEnum):
    """Places between the two parts of the sentence frame, in their order."""

    REFLEXIVE_BEFORE_NOUN = auto()
    SUBJECT = auto()
    REFLEXIVE = auto()
    ACCUSATIVE_PRONOUN = auto()
    DATIVE_PRONOUN = auto()
    COMMENT = auto()
    TIME = auto()
    DATIVE = auto()
    AGENT = auto()
    DEFINITE = auto()
    FREQUENCY = auto()
    INDEFINITE_DATIVE = auto()
    NOT = auto()
    MANNER = auto()
    PLACE = auto()
    INDEFINITE = auto()
    INSTRUMENT = auto()
    PREPOSITIONAL = auto()
    PREDICATE = auto()
    GOAL = auto()


@dataclass(frozen=True)
class Member:
    """A member of a clause.

    Attributes:
        slot: Its place.
        words: Its words.
        relative: The relative clause that hangs on it.
        leads: Whether it stands before everything else, the finite verb included.
    """

    slot: Slot
    words: list[str]
    relative: Clause | None = None
    leads: bool = False


def nominative(clause: Clause) -> Phrase:
    """The German subject of a clause."""
    if clause.verb.frame is Frame.EXPERIENCE:
        assert clause.direct
        return clause.direct
    return clause.subject


def members_of(clause: Clause, order: Order) -> list[Member]:
    """All members; the one that the order puts in front of the finite verb is marked."""
    members = [*_participants(clause, order), *_circumstances(clause), *_particles(clause, order)]
    if any(member.leads for member in members) or order is not Order.SECOND:
        return members
    first = _opens(clause)
    return [
        Member(member.slot, member.words, member.relative, leads=member.slot is first)
        for member in members
    ]


def _opens(clause: Clause) -> Slot:
    """What stands before the finite verb of a statement."""
    if is_existential(clause):
        return Slot.PLACE
    if clause.comment:
        return Slot.COMMENT
    return Slot.TIME if clause.time_first and clause.time else Slot.SUBJECT


def _participants(clause: Clause, order: Order) -> list[Member]:
    members = []
    likes = clause.verb.frame is Frame.EXPERIENCE
    subject = nominative(clause)
    if order not in {Order.ZU, Order.CONTINUED}:
        members.append(_subject(subject))
    if clause.direct and likes:
        members.append(_object(clause.subject, Case.DATIVE))
    elif clause.direct:
        members.append(_direct(clause, clause.direct))
    if clause.recipient:
        members.append(_object(clause.recipient, Case.DATIVE))
    return members


def _subject(phrase: Phrase) -> Member:
    return Member(
        Slot.SUBJECT, phrase_words(phrase, Case.NOMINATIVE), _relative(phrase), goes_first(phrase)
    )


def _direct(clause: Clause, phrase: Phrase) -> Member:
    verb = clause.verb
    if verb.frame is Frame.PREPOSITION:
        words = prepositional(verb.preposition, phrase, verb.case)
        return Member(Slot.PREPOSITIONAL, words, _relative(phrase), goes_first(phrase))
    return _object(phrase, Case.DATIVE if verb.frame is Frame.DATIVE else Case.ACCUSATIVE)


def _object(phrase: Phrase, case: Case) -> Member:
    dative = case is Case.DATIVE
    if isinstance(phrase, Personal):
        slot = Slot.DATIVE_PRONOUN if dative else Slot.ACCUSATIVE_PRONOUN
    elif dative:
        slot = Slot.INDEFINITE_DATIVE if _is_indefinite(phrase) else Slot.DATIVE
    else:
        slot = Slot.INDEFINITE if _is_indefinite(phrase) else Slot.DEFINITE
    return Member(slot, phrase_words(phrase, case), _relative(phrase), goes_first(phrase))


def _is_indefinite(phrase: Phrase) -> bool:
    return isinstance(phrase, Entity) and phrase.determiner in INDEFINITE and not phrase.owner


def _relative(phrase: Phrase) -> Clause | None:
    return phrase.relative if isinstance(phrase, Entity) else None


def _circumstances(clause: Clause) -> list[Member]:
    placed = (
        (Slot.COMMENT, clause.comment),
        (Slot.TIME, clause.time),
        (Slot.FREQUENCY, clause.frequency),
        (Slot.AGENT, clause.agent),
        (Slot.MANNER, clause.manner),
        (Slot.PLACE, clause.place),
        (Slot.INSTRUMENT, clause.instrument),
        (Slot.GOAL, clause.goal),
    )
    members = [Member(slot, circumstance(what)) for slot, what in placed if what]
    if clause.asking:
        members.append(Member(Slot.PLACE, clause.asking.de.split(), leads=True))
    if clause.predicate:
        members.append(Member(Slot.PREDICATE, _predicate(clause.predicate, clause.subject)))
    return members


def _predicate(predicate: Predicate, subject: Phrase) -> list[str]:
    match predicate:
        case Comparison():
            return comparison(predicate)
        case Profession():
            return [noun_form(predicate.noun, Case.NOMINATIVE, plural=is_plural(subject))]
        case _:
            return circumstance(predicate)


def _particles(clause: Clause, order: Order) -> list[Member]:
    members = []
    if clause.verb.de.reflexive:
        members.append(_reflexive(clause, order))
    if clause.negated and not _negates_itself(clause):
        members.append(Member(Slot.NOT, ["nicht"]))
    if clause.gladly:
        members.append(Member(Slot.MANNER, ["gern"]))
    return members


def _reflexive(clause: Clause, order: Order) -> Member:
    """``sich``: before a noun that follows the verb, behind any other subject."""
    objects = (clause.direct, clause.recipient)
    other_first = clause.asking is not None or any(goes_first(phrase) for phrase in objects)
    in_front = order is Order.SECOND and _opens(clause) is Slot.SUBJECT and not other_first
    pronominal = isinstance(clause.subject, Personal | Relative)
    late = in_front or pronominal or order in {Order.ZU, Order.CONTINUED}
    slot = Slot.REFLEXIVE if late else Slot.REFLEXIVE_BEFORE_NOUN
    return Member(slot, [reflexive_pronoun(clause.subject)])


def _negates_itself(clause: Clause) -> bool:
    """Whether the object says ``kein`` already."""
    return isinstance(clause.direct, Entity) and clause.direct.determiner is NO
