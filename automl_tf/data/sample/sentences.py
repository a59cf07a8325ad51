"""Makes up sentences of six patterns, each in both languages side by side.

The gender of a German pronoun is that of a noun elsewhere in the sentence, and some English words
have several translations: animals eat by another verb than people.
"""

import random
import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate
from typing import TypeGuard, TypeVar

from automl_tf.data.sample import lexicon, phrases, words
from automl_tf.data.sample.clauses import Clause, Order, Place, Tense
from automl_tf.data.sample.morphology import Case, number_words
from automl_tf.data.sample.phrases import BARE, NounPhrase, Phrase, Pronoun
from automl_tf.data.sample.words import Kinds, Noun, Verb

Item = TypeVar("Item")
Pair = tuple[str, str]

_PERSON, _PLACE, _NAME = frozenset({"person"}), frozenset({"place"}), frozenset({"name"})
_HEADS = frozenset({"goods", "food", "place"})
_OWNED = frozenset({"animal", "food", "goods", "idea"})
_DESCRIBED = {"person": 5, "goods": 3, "animal": 1, "place": 1, "idea": 1}
_TENSES = {Tense.PAST: 42, Tense.PRESENT: 24, Tense.PERFECT: 14, Tense.FUTURE: 12}
_TENSES |= {Tense.CAN: 4, Tense.MUST: 4, Tense.SHOULD: 4}
_NARRATED = {Tense.PAST: 6, Tense.PRESENT: 4}
_PRONOUNS = (phrases.HE, phrases.SHE, phrases.I, phrases.THEY, phrases.WE)
_SINGULAR = {phrases.THE: 9, phrases.A: 5, phrases.THIS: 2, phrases.EVERY: 1}
_PLURAL = {BARE: 5, phrases.THE: 3, phrases.THESE: 1, phrases.MANY: 1, phrases.SOME: 1}
_UNCOUNTED = {phrases.THE: 3, BARE: 2, phrases.THIS: 1}
_ALWAYS_IN_WORDS = 12


class Choices:
    """Reproducible choices: the same seed gives the same ones on every machine and version.

    All come from ``random.Random.random``, the one sequence that Python promises to keep.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - no secret

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self._random() < share

    def weighted(self, weights: Mapping[Item, int]) -> Item:
        """One of the keys, each as likely as its weight says."""
        sums = list(accumulate(weights.values()))
        return list(weights)[bisect(sums, self.between(0, sums[-1] - 1))]

    def frequent(self, items: Sequence[Item]) -> Item:
        """One of the items, the first ones nearly twice as often as the last ones."""
        place = self._random()
        return items[int(len(items) * (3 * place + place * place) / 4)]

    def said(self, text: str) -> Pair:
        """The English and German of an entry of a text."""
        english, german = self.frequent(tuple(words.entries(text))).split(" = ")
        return english, german


@cache
def _candidates(subjects: Kinds | None, objects: Kinds | None) -> tuple[Verb, ...]:
    """The verbs for subjects and objects of these kinds, the frequent ones first."""
    return tuple(
        verb
        for verb in words.verbs()
        if (subjects is None or verb.subjects & subjects)
        and (objects is None or (verb.objects & objects and verb.frame in ("acc", "dat")))
    )


class Sentences(Choices):
    """Makes up sentences."""

    def pair(self) -> Pair:
        """A sentence of any pattern, in English and German."""
        patterns = {self._statement: 34, self._description: 10, self._two_clauses: 26}
        patterns |= {self._report: 11, self._attempt: 8, self._question: 11}
        english, german = self.weighted(patterns)()
        return _polished(english), _polished(german)

    def _statement(self) -> Pair:
        """Such as ``Yesterday the man saw a dog``."""
        clause = self._with_relative(self._event(share=0.5))
        return _main(replace(clause, time_first=bool(clause.time[0]) and self.chance(0.4)))

    def _description(self) -> Pair:
        """Such as ``The dog which saw the man is old``."""
        subject = self._phrase(frozenset({self.weighted(_DESCRIBED)}))
        return _main(self._with_relative(self._state(subject, self.weighted(_NARRATED))))

    def _two_clauses(self) -> Pair:
        """Such as ``Because the man saw the dog, he called it``, or the other way round."""
        tense = self.weighted(_NARRATED)
        english, german = self.said(lexicon.CONJUNCTIONS)
        german = "als" if english == "when" and tense is Tense.PAST else german
        first, second = self._linked(self._with_relative(self._event(tense=tense)))
        if self.chance(0.55):
            return _joined(first, (english, german), second)
        return (
            f"{english} {first.english()}, {second.english()}.",
            f"{german} {first.german()}, {second.german(Order.FIRST)}.",
        )

    def _report(self) -> Pair:
        """Such as ``She said that the man saw the dog``."""
        verb = self.frequent(words.verb_list(lexicon.REPORTS))
        clause = Clause(verb, self._phrase(_PERSON), self.weighted(_NARRATED))
        first, second = self._linked(clause)
        return _joined(first, ("that", "dass"), second)

    def _attempt(self) -> Pair:
        """Such as ``She tries to call him``."""
        verb = self.frequent(words.verb_list(lexicon.ATTEMPTS))
        first = Clause(verb, self._phrase(_PERSON), self.weighted(_NARRATED))
        second = self._event(first.subject.pronoun(), tense=Tense.CAN, share=0)
        return (
            f"{first.english()} {second.english_infinitive()}.",
            f"{first.german(Order.SECOND)}, {second.german(Order.ZU)}.",
        )

    def _question(self) -> Pair:
        """With or without a question word."""
        english, german = self.said(lexicon.QUESTION_WORDS) if self.chance(0.5) else ("", "")
        clause = self._event(share=0 if english else 0.3)
        return (
            f"{english} {clause.english(question=True)}?".strip(),
            f"{german} {clause.german(Order.FIRST, question=True)}?".strip(),
        )

    def _event(
        self,
        subject: Phrase | None = None,
        target: Pronoun | None = None,
        tense: Tense | None = None,
        share: float = 0.3,
    ) -> Clause:
        """Somebody does something; what is None is made up.

        ``share`` is how often the time is said; the place is said half as often.
        """
        verb = self.frequent(_candidates(subject and subject.kinds, target and target.kinds))
        subject = subject or self._phrase(verb.subjects)
        tense = tense or self.weighted(_TENSES)
        if tense is Tense.PRESENT and verb.english.base == verb.english.past:
            tense = Tense.PERFECT  # English would not tell it from the past.
        clause = Clause(verb, subject, tense, object=target)
        if verb.frame in ("goal", "place"):
            place = Place(self._named(verb.objects), towards=verb.frame == "goal")
            clause = replace(clause, place=place)
        elif verb.frame != "none":
            clause = replace(clause, object=target or self._other(verb.objects, subject))
        if verb.frame == "dat+acc":
            clause = replace(clause, recipient=self._other(_PERSON, subject))
        if self.chance(share):
            times = lexicon.TIMES.get(tense, lexicon.TIMES[Tense.PRESENT])
            clause = replace(clause, time=self.said(times))
        if not clause.place and self.chance(share / 2):
            clause = replace(clause, place=Place(self._named(_PLACE), towards=False))
        return clause

    def _state(self, subject: Phrase, tense: Tense) -> Clause:
        """What somebody or something is like."""
        predicate = self.frequent(words.adjectives(subject.kinds))
        return Clause(words.verb_list(lexicon.BE)[0], subject, tense, predicate=predicate)

    def _linked(self, first: Clause) -> tuple[Clause, Clause]:
        """A clause and another that goes on from it, mostly with a pronoun."""
        tense = first.tense
        found = [p for p in (first.subject, first.object) if isinstance(p, NounPhrase)]
        if not found or self.chance(0.2):
            return first, self._event(tense=tense)
        pronoun = self.frequent(found).pronoun()
        if self.chance(0.3):
            return first, self._event(target=pronoun, tense=tense)
        if not _candidates(pronoun.kinds, None) or self.chance(0.25):
            return first, self._state(pronoun, tense)
        return first, self._event(pronoun, tense=tense)

    def _with_relative(self, clause: Clause) -> Clause:
        """Sometimes with a relative clause on the subject or on the object."""
        tense = Tense.PAST if clause.tense is Tense.PAST else Tense.PRESENT
        if self.chance(0.3) and _can_be_described(clause.subject):
            return replace(clause, subject=self._relative(clause.subject, tense))
        if self.chance(0.3) and _can_be_described(clause.object):
            return replace(clause, object=self._relative(clause.object, tense))
        return clause

    def _relative(self, phrase: NounPhrase, tense: Tense) -> NounPhrase:
        pronoun = phrase.relative_pronoun()
        acts = _candidates(phrase.kinds, None) and self.chance(0.6)
        subject, target = (pronoun, None) if acts else (None, pronoun)
        return replace(phrase, relative=self._event(subject, target, tense, share=0.1))

    def _phrase(self, kinds: Kinds) -> Phrase:
        """A pronoun, a name, or somebody or something called by a noun."""
        if "person" not in kinds or self.chance(0.64):
            return self._named(kinds)
        return self._name() if self.chance(0.5) else self.frequent(_PRONOUNS)

    def _name(self) -> NounPhrase:
        return NounPhrase(self.frequent(words.nouns(_NAME)), BARE)

    def _other(self, kinds: Kinds, subject: Phrase) -> Phrase:
        """An object beside a subject: not the same, and sometimes its own."""
        if "person" not in kinds and self.chance(0.15):
            own = subject.pronoun().possessive()
            return self._described(NounPhrase(self._noun(kinds), own))
        while True:
            found = self._phrase(kinds)
            same = found.english(Case.ACC) == subject.english(Case.ACC)
            if not same and not {found, subject} <= {phrases.I, phrases.WE}:
                return found

    def _named(self, kinds: Kinds) -> NounPhrase:
        """A noun with a determiner, a number, an owner and adjectives, as it comes."""
        noun = self._noun(kinds)
        if "city" in noun.kinds:
            return NounPhrase(noun, BARE)
        if not noun.german_plural:
            return self._described(NounPhrase(noun, self.weighted(_UNCOUNTED)))
        if self.chance(0.3):
            determiner = self.weighted(_PLURAL)
            number = self._number() if determiner is BARE else ("", "")
            return self._described(NounPhrase(noun, determiner, plural=True, number=number))
        if noun.kinds & _OWNED and self.chance(0.15):
            owner = self._name() if self.chance(0.5) else NounPhrase(self._noun(_PERSON))
            return self._described(NounPhrase(noun, owner.determiner, owner=owner))
        return self._described(NounPhrase(noun, self.weighted(_SINGULAR)))

    def _noun(self, kinds: Kinds) -> Noun:
        """A noun, sometimes as the head of a compound."""
        head = self.frequent(words.nouns(kinds))
        joins = head.kinds & _HEADS and self.chance(0.45)
        return words.compound(head, self.frequent(words.modifiers())) if joins else head

    def _described(self, phrase: NounPhrase) -> NounPhrase:
        """Sometimes with an adjective or two."""
        if not self.chance(0.5):
            return phrase
        known = words.adjectives(phrase.kinds)
        found = (self.frequent(known), self.frequent(known))[: 1 + self.chance(0.3)]
        return replace(phrase, adjectives=tuple(dict.fromkeys(found)))

    def _number(self) -> Pair:
        """A number from 2 to 99, in words or digits; small ones mostly."""
        value = self.between(2, self.weighted({12: 6, 99: 4}))
        if value > _ALWAYS_IN_WORDS and self.chance(0.5):
            return str(value), str(value)
        return number_words(value)


def _main(clause: Clause) -> Pair:
    return f"{clause.english()}.", f"{clause.german(Order.SECOND)}."


def _joined(first: Clause, conjunction: Pair, second: Clause) -> Pair:
    """A main clause and a dependent one."""
    english, german = conjunction
    return (
        f"{first.english()} {english} {second.english()}.",
        f"{first.german(Order.SECOND)}, {german} {second.german()}.",
    )


def _can_be_described(phrase: Phrase | None) -> TypeGuard[NounPhrase]:
    """Whether a relative clause may follow."""
    return isinstance(phrase, NounPhrase) and not phrase.owner and phrase.determiner is not BARE


def _polished(text: str) -> str:
    """A sentence with a capital, and without commas before other marks."""
    return text[0].upper() + re.sub(r",(?=\s*[,.?])", "", text[1:])
