"""Clauses: a verb with all that depends on it, in English and in German word order."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from automl_tf.data.sample import morphology
from automl_tf.data.sample.morphology import Agreement, Case, contract
from automl_tf.data.sample.phrases import WE, I, NounPhrase, Phrase, Pronoun
from automl_tf.data.sample.words import Adjective, Verb


class Tense(StrEnum):
    """Tenses, and modals in the present tense."""

    PRESENT = "present"
    PAST = "past"
    PERFECT = "perfect"
    FUTURE = "future"
    CAN = "can"
    MUST = "must"
    SHOULD = "should"


_AUXILIARIES = {
    Tense.PERFECT: ("have", "haben"),
    Tense.FUTURE: ("will", "werden"),
    Tense.CAN: ("can", "können"),
    Tense.MUST: ("must", "müssen"),
    Tense.SHOULD: ("should", "sollten"),
}
_KEEPS_PAST = ("sein", "wissen")


class Order(StrEnum):
    """Place of the German finite verb."""

    SECOND = "in main clauses"
    FIRST = "in questions, and in main clauses behind a dependent one"
    LAST = "in dependent clauses"
    ZU = "none, but an infinitive with ``zu``"


class Place(NamedTuple):
    """Where somebody is or where somebody goes."""

    phrase: NounPhrase
    towards: bool

    def english(self) -> str:
        """``in the garden``, ``into the garden``."""
        preposition = self.phrase.noun.prepositions[self.towards]
        return f"{preposition} {self.phrase.english(Case.ACC)}"

    def german(self) -> str:
        """``im Garten``, ``in den Garten``, ``zum Bahnhof``."""
        preposition = self.phrase.noun.prepositions[2 + self.towards]
        case = Case.ACC if self.towards and preposition in ("in", "an", "auf") else Case.DAT
        return contract(preposition, self.phrase.german(case))


@dataclass(frozen=True)
class Clause:
    """A verb with its members.

    ``object`` is the one object of a verb, ``recipient`` the dative beside an accusative,
    ``predicate`` what something is like; ``time`` is given in both languages.
    """

    verb: Verb
    subject: Phrase
    tense: Tense
    object: Phrase | None = None
    recipient: Phrase | None = None
    predicate: Adjective | None = None
    place: Place | None = None
    time: tuple[str, str] = ("", "")
    time_first: bool = False

    def english(self, *, question: bool = False) -> str:
        """A statement, a question or a relative clause."""
        finite, rest = self._english_verbs(question=question)
        subject = self.subject.english(Case.NOM)
        first = self.time[0] if self.time_first else ""
        if isinstance(self.object, Pronoun) and self.object.relative:
            first = self.object.english(Case.ACC)
        verbs = (finite, subject, rest) if question else (subject, finite, rest)
        return _text(first, *verbs, self._english_members())

    def english_infinitive(self) -> str:
        """The clause without its subject: ``to give him the book``."""
        return _text("to", self.verb.english.base, self._english_members())

    def german(self, order: Order = Order.LAST, *, question: bool = False) -> str:
        """The clause with the finite verb in the place that ``order`` says."""
        verb, subject = self.verb.german, self.subject.german(Case.NOM)
        finite, closing = self._german_verbs(question=question)
        relative, members = self._german_members()
        ending = closing or verb.prefix
        match order:
            case Order.ZU:
                infinitive = f"{verb.prefix}zu{verb.infinitive}"
                return _text(members, infinitive if verb.prefix else f"zu {verb.infinitive}")
            case Order.LAST:
                finite = finite if closing else verb.prefix + finite
                return _text(relative, subject, members, closing, finite)
            case Order.SECOND if self.time_first:
                return _text(self.time[1], finite, subject, members, ending)
            case Order.SECOND:
                return _text(subject, finite, members, ending)
            case Order.FIRST:
                return _text(finite, subject, members, ending)

    def _english_verbs(self, *, question: bool) -> tuple[str, str]:
        """The finite verb and the one behind it."""
        verb, tense, agreement = self.verb.english, self.tense, self.subject.agreement
        if tense in _AUXILIARIES:
            auxiliary = morphology.english_present(_AUXILIARIES[tense][0], agreement)
            return auxiliary, verb.participle if tense is Tense.PERFECT else verb.base
        if question:
            return "did" if tense is Tense.PAST else morphology.english_present(
                "do", agreement
            ), verb.base
        if tense is Tense.PRESENT:
            return morphology.english_present(verb.base, agreement), ""
        were = verb.base == "be" and agreement is Agreement.PLURAL
        return "were" if were else verb.past, ""

    def _english_members(self) -> str:
        """What stands behind the verbs."""
        verb, target = self.verb.english, self.object
        is_pronoun = isinstance(target, Pronoun)
        said = (
            "" if target is None or (is_pronoun and target.relative) else target.english(Case.ACC)
        )
        words = [verb.preposition, said]
        words = [*words, verb.particle] if is_pronoun else [verb.particle, *words]
        if self.recipient:
            words += ["to", self.recipient.english(Case.ACC)]
        words.append(self.predicate.english if self.predicate else "")
        words.append(self.place.english() if self.place else "")
        return _text(*words, "" if self.time_first else self.time[0])

    def _german_verbs(self, *, question: bool) -> tuple[str, str]:
        """The finite verb without its prefix, and the one that closes the clause.

        What English tells in the simple past, German tells in the perfect in questions and about
        ``I`` and ``we``, and in the simple past elsewhere.
        """
        verb, tense, agreement = self.verb.german, self.tense, self.subject.agreement
        spoken = (question or self.subject in (I, WE)) and verb.infinitive not in _KEEPS_PAST
        if tense is Tense.PERFECT or (tense is Tense.PAST and spoken):
            return morphology.german_present(verb.auxiliary, "", agreement), verb.participle
        if tense in _AUXILIARIES:
            auxiliary = morphology.german_present(_AUXILIARIES[tense][1], "", agreement)
            return auxiliary, verb.prefix + verb.infinitive
        if tense is Tense.PAST:
            return morphology.german_past(verb.past, agreement), ""
        return morphology.german_present(verb.infinitive, verb.third, agreement), ""

    def _german_members(self) -> tuple[str, str]:
        """A relative pronoun, and what stands between the subject and the closing verb.

        The order is: pronouns (accusative first), time, nouns (dative first), place, prepositional
        object, predicate.
        """
        verb, target = self.verb.german, self.object
        objects = [(self.recipient, Case.DAT)] if self.recipient else []
        if target and not verb.preposition:
            objects.append((target, Case.DAT if self.verb.frame == "dat" else Case.ACC))
        nouns = [(what, case) for what, case in objects if isinstance(what, NounPhrase)]
        pronouns = [(what, case) for what, case in reversed(objects) if isinstance(what, Pronoun)]
        relative = [what.german(case) for what, case in pronouns if what.relative]
        members = [what.german(case) for what, case in pronouns if not what.relative]
        if verb.reflexive:
            members.append(self.subject.german(Case.ACC) if self.subject in (I, WE) else "sich")
        members.append("" if self.time_first else self.time[1])
        members += [what.german(case) for what, case in nouns]
        members.append(self.place.german() if self.place else "")
        if target and verb.preposition:
            members.append(contract(verb.preposition, target.german(verb.case)))
        members.append(self.predicate.german if self.predicate else "")
        return _text(*relative), _text(*members)


def _text(*words: str) -> str:
    return " ".join(filter(None, words))
