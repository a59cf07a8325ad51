"""Puts a meaning into German.

The order of a clause follows the model of the sentence frame (Duden, Die Grammatik: Felderstruktur
des Satzes): the finite verb stands second in statements, first in questions without a question
word and in commands, last in subordinate clauses; between the two parts of the frame the members
stand in the order of ``Slot``; relative and other subordinate clauses follow the frame.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto

from automl_tf.data.grammar.function_words import INDEFINITE, NO
from automl_tf.data.grammar.german_nouns import noun_form
from automl_tf.data.grammar.german_phrases import (
    agreement_of,
    circumstance,
    comparison,
    phrase_words,
    prepositional,
    reflexive_pronoun,
)
from automl_tf.data.grammar.german_predicates import verb_group
from automl_tf.data.grammar.german_verbs import imperative, with_zu
from automl_tf.data.grammar.features import goes_first, is_existential, is_plural
from automl_tf.data.grammar.meaning import (
    Clause,
    Comparison,
    Entity,
    Infinitive,
    Joined,
    Mood,
    Personal,
    Phrase,
    Predicate,
    Profession,
    Relative,
    Sentence,
    Subordinate,
)
from automl_tf.data.grammar.spelling import COMMA, compose, enclosed
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
class _Member:
    """A member of a clause: its place, its words, and the clause that hangs on it."""

    slot: Slot
    words: list[str]
    tail: list[str] = field(default_factory=list)
    leads: bool = False


def german(sentence: Sentence) -> str:
    """A sentence in German."""
    opening = enclosed(_dependent(sentence.before))
    words = [*opening, *_main(sentence)] if opening else _main(sentence)
    words = words[1:] if words[0] == COMMA else words
    words += enclosed(_dependent(sentence.after))
    if sentence.joined:
        words += _joined(sentence.joined)
    return compose(words, sentence.mood.value)


def _main(sentence: Sentence) -> list[str]:
    clause = sentence.main
    if sentence.mood is Mood.COMMAND:
        return _command(clause)
    question = sentence.mood is Mood.QUESTION
    if sentence.before or (question and not _asks_for_something(clause)):
        return _clause(clause, Order.FIRST, question=question)
    return _clause(clause, Order.SECOND, question=question)


def _asks_for_something(clause: Clause) -> bool:
    return clause.asking is not None or any(
        goes_first(phrase) for phrase in (clause.subject, clause.direct, clause.recipient)
    )


def _joined(joined: Joined) -> list[str]:
    order = Order.SECOND
    if joined.shares_subject:
        order = Order.CONTINUED
    elif joined.conjunction.inverts:
        order = Order.FIRST
    comma = [COMMA] if joined.conjunction.comma else []
    return [*comma, joined.conjunction.de, *_clause(joined.clause, order)]


def _dependent(what: Subordinate | Infinitive | None) -> list[str]:
    match what:
        case Subordinate():
            return [*what.de.split(), *_clause(what.clause, Order.LAST)]
        case Infinitive():
            return [*what.de.split(), *_clause(what.clause, Order.ZU)]
        case None:
            return []


def _clause(clause: Clause, order: Order, *, question: bool = False) -> list[str]:
    """A clause in one of the orders, with everything that hangs on it behind it."""
    subject = _nominative(clause)
    group = verb_group(clause, agreement_of(subject), question=question)
    members = sorted(_members(clause, order), key=lambda member: member.slot)
    lead = [member for member in members if member.leads]
    rest = [member for member in members if not member.leads]
    front = _joined_words(lead)
    middle, tail = _inner(rest), [word for member in rest for word in _hanging(member)]
    tail += enclosed(_dependent(clause.content))
    match order:
        case Order.SECOND | Order.FIRST | Order.CONTINUED:
            return [*front, group.finite, *middle, *group.at_the_end, *tail]
        case Order.LAST:
            return [*front, *middle, *group.all_at_the_end, *tail]
        case Order.ZU:
            return [*middle, *with_zu(clause.verb.de).split(), *tail]


def _joined_words(members: list[_Member]) -> list[str]:
    return [word for member in members for word in [*member.words, *member.tail]]


def _inner(members: list[_Member]) -> list[str]:
    """The members between the two parts of the frame; only the subject keeps its clause there."""
    return [
        word
        for member in members
        for word in [*member.words, *(member.tail if member.slot is Slot.SUBJECT else [])]
    ]


def _hanging(member: _Member) -> list[str]:
    return [] if member.slot is Slot.SUBJECT else member.tail


def _command(clause: Clause) -> list[str]:
    """A command to one familiar person."""
    members = [member for member in _members(clause, Order.FIRST) if member.slot != Slot.SUBJECT]
    members.sort(key=lambda member: member.slot)
    verb = clause.verb.de
    prefix = [verb.prefix] if verb.prefix else []
    tail = [word for member in members for word in member.tail]
    return [imperative(verb), *_inner(members), *prefix, *tail]


def _nominative(clause: Clause) -> Phrase:
    if clause.verb.frame is Frame.EXPERIENCE:
        assert clause.direct
        return clause.direct
    return clause.subject


def _members(clause: Clause, order: Order) -> list[_Member]:
    """All members; the one that the order puts in front of the finite verb is marked."""
    members = [*_participants(clause, order), *_circumstances(clause), *_particles(clause, order)]
    if any(member.leads for member in members) or order is not Order.SECOND:
        return members
    first = _opens(clause)
    return [
        _Member(member.slot, member.words, member.tail, leads=member.slot is first)
        for member in members
    ]


def _opens(clause: Clause) -> Slot:
    """What stands before the finite verb of a statement."""
    if is_existential(clause):
        return Slot.PLACE
    if clause.comment:
        return Slot.COMMENT
    return Slot.TIME if clause.time_first and clause.time else Slot.SUBJECT


def _participants(clause: Clause, order: Order) -> list[_Member]:
    members = []
    likes = clause.verb.frame is Frame.EXPERIENCE
    subject = _nominative(clause)
    if order not in {Order.ZU, Order.CONTINUED}:
        members.append(_subject(subject))
    if clause.direct and likes:
        members.append(_object(clause.subject, Case.DATIVE))
    elif clause.direct:
        members.append(_direct(clause, clause.direct))
    if clause.recipient:
        members.append(_object(clause.recipient, Case.DATIVE))
    return members


def _subject(phrase: Phrase) -> _Member:
    return _Member(
        Slot.SUBJECT, phrase_words(phrase, Case.NOMINATIVE), _relative(phrase), goes_first(phrase)
    )


def _direct(clause: Clause, phrase: Phrase) -> _Member:
    verb = clause.verb
    if verb.frame is Frame.PREPOSITION:
        words = prepositional(verb.preposition, phrase, verb.case)
        return _Member(Slot.PREPOSITIONAL, words, _relative(phrase), goes_first(phrase))
    return _object(phrase, Case.DATIVE if verb.frame is Frame.DATIVE else Case.ACCUSATIVE)


def _object(phrase: Phrase, case: Case) -> _Member:
    dative = case is Case.DATIVE
    if isinstance(phrase, Personal):
        slot = Slot.DATIVE_PRONOUN if dative else Slot.ACCUSATIVE_PRONOUN
    elif dative:
        slot = Slot.INDEFINITE_DATIVE if _is_indefinite(phrase) else Slot.DATIVE
    else:
        slot = Slot.INDEFINITE if _is_indefinite(phrase) else Slot.DEFINITE
    return _Member(slot, phrase_words(phrase, case), _relative(phrase), goes_first(phrase))


def _is_indefinite(phrase: Phrase) -> bool:
    return isinstance(phrase, Entity) and phrase.determiner in INDEFINITE and not phrase.owner


def _relative(phrase: Phrase) -> list[str]:
    if isinstance(phrase, Entity) and phrase.relative:
        return enclosed(_clause(phrase.relative, Order.LAST))
    return []


def _circumstances(clause: Clause) -> list[_Member]:
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
    members = [_Member(slot, circumstance(what)) for slot, what in placed if what]
    if clause.asking:
        members.append(_Member(Slot.PLACE, clause.asking.de.split(), leads=True))
    if clause.predicate:
        members.append(_Member(Slot.PREDICATE, _predicate(clause.predicate, clause.subject)))
    return members


def _predicate(predicate: Predicate, subject: Phrase) -> list[str]:
    match predicate:
        case Comparison():
            return comparison(predicate)
        case Profession():
            return [noun_form(predicate.noun, Case.NOMINATIVE, plural=is_plural(subject))]
        case _:
            return circumstance(predicate)


def _particles(clause: Clause, order: Order) -> list[_Member]:
    members = []
    if clause.verb.de.reflexive:
        members.append(_reflexive(clause, order))
    if clause.negated and not _negates_itself(clause):
        members.append(_Member(Slot.NOT, ["nicht"]))
    if clause.gladly:
        members.append(_Member(Slot.MANNER, ["gern"]))
    return members


def _reflexive(clause: Clause, order: Order) -> _Member:
    """``sich``: before a noun that follows the verb, behind any other subject."""
    objects = (clause.direct, clause.recipient)
    other_first = clause.asking is not None or any(goes_first(phrase) for phrase in objects)
    in_front = order is Order.SECOND and _opens(clause) is Slot.SUBJECT and not other_first
    pronominal = isinstance(clause.subject, Personal | Relative)
    late = in_front or pronominal or order in {Order.ZU, Order.CONTINUED}
    slot = Slot.REFLEXIVE if late else Slot.REFLEXIVE_BEFORE_NOUN
    return _Member(slot, [reflexive_pronoun(clause.subject)])


def _negates_itself(clause: Clause) -> bool:
    """Whether the object says ``kein`` already."""
    return isinstance(clause.direct, Entity) and clause.direct.determiner is NO
