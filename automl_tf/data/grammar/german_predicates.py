"""The German verb group: the finite verb and what stands at the end of the clause."""

from dataclasses import dataclass

from automl_tf.data.grammar.german_verbs import (
    Agreement,
    auxiliary_past,
    auxiliary_present,
    infinitive,
    past,
    present,
)
from automl_tf.data.grammar.meaning import (
    THIRD,
    Clause,
    Tense,
)
from automl_tf.data.grammar.words import GermanVerb

_ALWAYS_SIMPLE_PAST = {"sein", "haben", "wissen"}


@dataclass(frozen=True)
class VerbGroup:
    """The verbs of a clause.

    Attributes:
        finite: The finite verb without a separable prefix.
        prefix: That prefix.
        rest: Participle and infinitives in the order they have at the end of the clause.
    """

    finite: str
    prefix: str = ""
    rest: tuple[str, ...] = ()

    @property
    def at_the_end(self) -> list[str]:
        """What closes a main clause."""
        return [*self.rest, *([self.prefix] if self.prefix else [])]

    @property
    def all_at_the_end(self) -> list[str]:
        """What closes a subordinate clause."""
        return [*self.rest, self.prefix + self.finite]


def verb_group(clause: Clause, agreement: Agreement, *, question: bool) -> VerbGroup:
    """The verbs of a clause.

    What English tells in the simple past, German tells in the perfect where people talk to each
    other, that is in questions and about ``I``, ``you`` and ``we``, and in the simple past
    elsewhere; a few verbs keep the simple past.

    Args:
        clause: The clause.
        agreement: Person and number of the German subject.
        question: Whether it is asked.
    """
    if clause.modal:
        return _modal_group(clause, agreement)
    if clause.passive:
        return _passive_group(clause, agreement)
    tense = clause.tense
    talked = question or agreement.person < THIRD
    if tense is Tense.PAST and talked and clause.verb.de.infinitive not in _ALWAYS_SIMPLE_PAST:
        tense = Tense.PERFECT
    return _active_group(clause.verb.de, tense, agreement)


def _active_group(verb: GermanVerb, tense: Tense, agreement: Agreement) -> VerbGroup:
    match tense:
        case Tense.PRESENT | Tense.CONTINUOUS:
            return VerbGroup(present(verb, agreement), verb.prefix)
        case Tense.PAST:
            return VerbGroup(past(verb, agreement), verb.prefix)
        case Tense.FUTURE:
            return VerbGroup(auxiliary_present("werden", agreement), rest=(infinitive(verb),))
        case Tense.PERFECT:
            finite = auxiliary_present(_auxiliary(verb), agreement)
        case Tense.PLUPERFECT:
            finite = auxiliary_past(_auxiliary(verb), agreement)
    return VerbGroup(finite, rest=(verb.participle,))


def _auxiliary(verb: GermanVerb) -> str:
    return "sein" if verb.takes_sein else "haben"


def _modal_group(clause: Clause, agreement: Agreement) -> VerbGroup:
    assert clause.modal
    modal = clause.modal.de_negated if clause.negated else clause.modal.de
    in_the_past = clause.tense is Tense.PAST
    finite = (auxiliary_past if in_the_past else auxiliary_present)(modal, agreement)
    verb = clause.verb.de
    rest = (verb.participle, "werden") if clause.passive else (infinitive(verb),)
    return VerbGroup(finite, rest=rest)


def _passive_group(clause: Clause, agreement: Agreement) -> VerbGroup:
    participle = clause.verb.de.participle
    match clause.tense:
        case Tense.PRESENT | Tense.CONTINUOUS:
            return VerbGroup(auxiliary_present("werden", agreement), rest=(participle,))
        case Tense.PAST:
            return VerbGroup(auxiliary_past("werden", agreement), rest=(participle,))
        case Tense.FUTURE:
            return VerbGroup(auxiliary_present("werden", agreement), rest=(participle, "werden"))
        case Tense.PERFECT:
            finite = auxiliary_present("sein", agreement)
        case Tense.PLUPERFECT:
            finite = auxiliary_past("sein", agreement)
    return VerbGroup(finite, rest=(participle, "worden"))
