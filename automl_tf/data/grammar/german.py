"""Puts a meaning into German.

The order of a clause follows the model of the sentence frame (Duden, Die Grammatik: Felderstruktur
des Satzes): the finite verb stands second in statements, first in questions without a question
word and in commands, last in subordinate clauses; between the two parts of the frame the members
stand in the order of ``Slot``; relative and other subordinate clauses follow the frame.
"""

from automl_tf.data.grammar.features import goes_first
from automl_tf.data.grammar.german_members import (
    Member,
    Order,
    Slot,
    members_of,
    nominative,
)
from automl_tf.data.grammar.german_phrases import agreement_of
from automl_tf.data.grammar.german_predicates import verb_group
from automl_tf.data.grammar.german_verbs import imperative, with_zu
from automl_tf.data.grammar.meaning import (
    Clause,
    Infinitive,
    Joined,
    Mood,
    Sentence,
    Subordinate,
)
from automl_tf.data.grammar.spelling import COMMA, compose, enclosed


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
    subject = nominative(clause)
    group = verb_group(clause, agreement_of(subject), question=question)
    members = sorted(members_of(clause, order), key=lambda member: member.slot)
    front = _inner([member for member in members if member.leads])
    rest = [member for member in members if not member.leads]
    middle, tail = _inner(rest), _hanging(rest)
    tail += enclosed(_dependent(clause.content))
    match order:
        case Order.SECOND | Order.FIRST | Order.CONTINUED:
            return [*front, group.finite, *middle, *group.at_the_end, *tail]
        case Order.LAST:
            return [*front, *middle, *group.all_at_the_end, *tail]
        case Order.ZU:
            return [*middle, *with_zu(clause.verb.de).split(), *tail]


def _inner(members: list[Member]) -> list[str]:
    """The words of members; the subject has its relative clause right behind it."""
    words = []
    for member in members:
        words += member.words
        if member.slot is Slot.SUBJECT:
            words += _relative(member)
    return words


def _hanging(members: list[Member]) -> list[str]:
    """The relative clauses that wait for the end of the clause."""
    return [
        word for member in members if member.slot is not Slot.SUBJECT for word in _relative(member)
    ]


def _relative(member: Member) -> list[str]:
    return enclosed(_clause(member.relative, Order.LAST)) if member.relative else []


def _command(clause: Clause) -> list[str]:
    """A command to one familiar person."""
    members = [member for member in members_of(clause, Order.FIRST) if member.slot != Slot.SUBJECT]
    members.sort(key=lambda member: member.slot)
    verb = clause.verb.de
    prefix = [verb.prefix] if verb.prefix else []
    return [imperative(verb), *_inner(members), *prefix, *_hanging(members)]
