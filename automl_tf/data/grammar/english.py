"""Puts a meaning into English."""

from automl_tf.data.grammar.english_phrases import circumstance, comparison, phrase_words
from automl_tf.data.grammar.english_predicates import Chain, verb_chain, with_do
from automl_tf.data.grammar.features import goes_first, has_relative, is_existential, is_plural
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
    Sentence,
    Subordinate,
)
from automl_tf.data.grammar.spelling import COMMA, compose

_WITHOUT_COMMA = {"perhaps", "please"}


def english(sentence: Sentence) -> str:
    """A sentence in English."""
    opening = _dependent(sentence.before)
    words = [*opening, COMMA] if opening else []
    words += _main(sentence)
    words += _dependent(sentence.after)
    if sentence.joined:
        words += _joined(sentence.joined)
    return compose(words, sentence.mood.value)


def _main(sentence: Sentence) -> list[str]:
    clause = sentence.main
    if sentence.mood is Mood.COMMAND:
        return [*_opening(clause), clause.verb.en.base, *_behind_the_verb(clause)]
    if sentence.mood is Mood.QUESTION and not goes_first(clause.subject):
        return _inverted(clause)
    return _clause(clause)


def _joined(joined: Joined) -> list[str]:
    if joined.shares_subject:
        return [joined.conjunction.en, *_predicate_words(joined.clause)]
    return [COMMA, joined.conjunction.en, *_clause(joined.clause)]


def _dependent(what: Subordinate | Infinitive | None) -> list[str]:
    match what:
        case Subordinate():
            return [*what.en.split(), *_clause(what.clause)]
        case Infinitive():
            verb = what.clause.verb.en
            form = verb.base if what.en.endswith("to") else verb.ing
            return [*what.en.split(), form, *_behind_the_verb(what.clause)]
        case None:
            return []


def _clause(clause: Clause) -> list[str]:
    """A clause in the order of a statement; what is asked or relative comes first."""
    if is_existential(clause):
        return _existential(clause)
    fronted = _fronted(clause)
    subject = _with_relative(clause.subject, subject=True)
    if goes_first(clause.subject):
        return [*subject, *_predicate_words(clause)]
    return [*_opening(clause), *fronted, *subject, *_predicate_words(clause)]


def _inverted(clause: Clause) -> list[str]:
    """A question that does not ask for its subject."""
    chain = with_do(verb_chain(clause), clause)
    lead = clause.asking.en.split() if clause.asking else _fronted(clause)
    if is_existential(clause):
        return [*_existential(clause, inverted=True)]
    subject = _with_relative(clause.subject, subject=True)
    negation = ["not"] if clause.negated else []
    return [
        *lead,
        chain.first,
        *subject,
        *negation,
        *_frequency(clause),
        *chain.rest,
        *_behind_the_verb(clause),
    ]


def _existential(clause: Clause, *, inverted: bool = False) -> list[str]:
    assert clause.direct
    past = clause.tense.value == "did"
    singular, plural = ("was", "were") if past else ("is", "are")
    be = plural if is_plural(clause.direct) else singular
    words = [be, "there"] if inverted else ["there", be]
    return [*words, *_with_relative(clause.direct, subject=False), *_circumstances(clause)]


def _opening(clause: Clause) -> list[str]:
    """A comment or a time before the subject."""
    if clause.comment:
        comma = [] if clause.comment.en in _WITHOUT_COMMA else [COMMA]
        return [*clause.comment.en.split(), *comma]
    return clause.time.en.split() if clause.time and clause.time_first else []


def _fronted(clause: Clause) -> list[str]:
    """An object that is asked for or relative."""
    if clause.direct and goes_first(clause.direct):
        return phrase_words(clause.direct, subject=False)
    if clause.recipient and goes_first(clause.recipient):
        recipient = phrase_words(clause.recipient, subject=False)
        return ["to", *("whom" if word == "who" else word for word in recipient)]
    return []


def _predicate_words(clause: Clause) -> list[str]:
    """Everything behind the subject."""
    chain = verb_chain(clause)
    if clause.negated:
        chain = with_do(chain, clause)
        denied = ["cannot"] if chain.first == "can" else [chain.first, "not"]
        return [*denied, *_frequency(clause), *chain.rest, *_behind_the_verb(clause)]
    return [*_with_frequency(chain, clause), *_behind_the_verb(clause)]


def _with_frequency(chain: Chain, clause: Clause) -> list[str]:
    """``often`` before the main verb, but behind an auxiliary."""
    adverb = _frequency(clause)
    if chain.base:
        return [*adverb, chain.first, *chain.rest]
    return [chain.first, *adverb, *chain.rest]


def _frequency(clause: Clause) -> list[str]:
    return clause.frequency.en.split() if clause.frequency else []


def _behind_the_verb(clause: Clause) -> list[str]:
    predicate = _predicate(clause.predicate, clause.subject) if clause.predicate else []
    return [*_objects(clause), *predicate, *_circumstances(clause), *_dependent(clause.content)]


def _objects(clause: Clause) -> list[str]:
    verb = clause.verb.en
    particle = [verb.particle] if verb.particle else []
    direct = clause.direct if clause.direct and not goes_first(clause.direct) else None
    words = [*verb.preposition.split()]
    if direct:
        words += _with_relative(direct, subject=False)
    words = [*words, *particle] if isinstance(direct, Personal) else [*particle, *words]
    recipient = clause.recipient
    if recipient is None or goes_first(recipient):
        return words
    receiver = phrase_words(recipient, subject=False)
    if _recipient_behind(clause, recipient):
        return [*words, "to", *receiver]
    return [*receiver, *words]


def _recipient_behind(clause: Clause, recipient: Phrase) -> bool:
    """Whether English says ``gave it to him`` rather than ``gave him a book``."""
    if clause.verb.to_only or isinstance(clause.direct, Personal) or goes_first(clause.direct):
        return True
    if isinstance(recipient, Personal) or has_relative(clause.direct):
        return False
    return isinstance(clause.direct, Entity) and clause.direct.determiner.en in {"the", "this"}


def _with_relative(phrase: Phrase, *, subject: bool) -> list[str]:
    words = phrase_words(phrase, subject=subject)
    if isinstance(phrase, Entity) and phrase.relative:
        words += _clause(phrase.relative)
    return words


def _predicate(predicate: Predicate, subject: Phrase) -> list[str]:
    match predicate:
        case Comparison():
            return comparison(predicate)
        case Profession(noun):
            if is_plural(subject):
                return noun.en_plural.split()
            return ["an" if noun.en[0] in "aeiou" else "a", *noun.en.split()]
        case _:
            return circumstance(predicate)


def _circumstances(clause: Clause) -> list[str]:
    time = None if clause.time_first else clause.time
    return [
        word
        for what in (
            clause.agent,
            clause.goal,
            clause.manner,
            clause.instrument,
            clause.place,
            time,
        )
        if what
        for word in circumstance(what)
    ]
