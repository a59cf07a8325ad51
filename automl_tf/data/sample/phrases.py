"""Noun phrases and pronouns: each says itself in English and in German, in any case."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from automl_tf.data.sample import morphology
from automl_tf.data.sample.morphology import Agreement, Case
from automl_tf.data.sample.words import Adjective, Kinds, Noun

if TYPE_CHECKING:
    from automl_tf.data.sample.clauses import Clause


class Determiner(NamedTuple):
    """An article or its like with its German declension; the German ``der`` is all ending."""

    english: str
    german: str
    declension: str


BARE = Determiner("", "", "")
THE = Determiner("the", "", "der")
A = Determiner("a", "ein", "ein")
THIS = Determiner("this", "dies", "dieser")
THESE = Determiner("these", "dies", "dieser")
EVERY = Determiner("every", "jed", "dieser")
MANY = Determiner("many", "viel", "viele")
SOME = Determiner("some", "einig", "viele")


@dataclass(frozen=True)
class Pronoun:
    """A personal or relative pronoun.

    English has the forms for a subject and an object, German one a case; then the possessives
    follow. ``kinds`` are those of what it stands for.
    """

    english_forms: str
    german_forms: str
    agreement: Agreement = Agreement.THIRD
    kinds: Kinds = frozenset({"person"})
    relative: bool = False

    def english(self, case: Case) -> str:
        """``he`` or ``him``."""
        return self.english_forms.split()[case is not Case.NOM]

    def german(self, case: Case) -> str:
        """``er``, ``ihn`` or ``ihm``."""
        return self.german_forms.split()[case]

    def pronoun(self) -> "Pronoun":
        """The pronoun itself."""
        return self

    def possessive(self) -> Determiner:
        """``his``, ``sein``."""
        return Determiner(self.english_forms.split()[2], self.german_forms.split()[3], "ein")


I = Pronoun("I me my", "ich mich mir mein", Agreement.FIRST)  # noqa: E741 - the word
WE = Pronoun("we us our", "wir uns uns unser", Agreement.PLURAL)
HE = Pronoun("he him his", "er ihn ihm sein")
SHE = Pronoun("she her her", "sie sie ihr ihr")
IT = Pronoun("it it its", "es es ihm sein")
THEY = Pronoun("they them their", "sie sie ihnen ihr", Agreement.PLURAL)
_BY_GENDER = {"m": HE, "f": SHE, "n": IT, "p": THEY}
_RELATIVE = {"m": "der den dem", "f": "die die der", "n": "das das dem", "p": "die die denen"}


@dataclass(frozen=True)
class NounPhrase:
    """Someone or something called by a noun.

    ``number`` is how many in both languages, ``owner`` a genitive, ``relative`` a clause that has
    the relative pronoun of this phrase as its subject or object.
    """

    noun: Noun
    determiner: Determiner = THE
    plural: bool = False
    number: tuple[str, str] = ("", "")
    adjectives: tuple[Adjective, ...] = ()
    owner: "NounPhrase | None" = None
    relative: "Clause | None" = None

    @property
    def kinds(self) -> Kinds:
        """The kinds of the noun; a name is that of a person."""
        return frozenset({"person"}) if "name" in self.noun.kinds else self.noun.kinds

    @property
    def gender(self) -> str:
        """Gender, or ``p`` for the plural of all three."""
        return "p" if self.plural else self.noun.gender

    @property
    def agreement(self) -> Agreement:
        """The form of a verb with this subject."""
        return Agreement.PLURAL if self.plural else Agreement.THIRD

    def english(self, case: Case) -> str:
        """The phrase with its relative clause."""
        noun = self.noun.english_plural if self.plural else self.noun.english
        words = [self.number[0], *(adjective.english for adjective in self.adjectives), noun]
        text = " ".join(filter(None, words))
        article = f"{self.owner.english(case)}’s" if self.owner else self.determiner.english
        if article == "a" and re.match(r"(?!uni)[aeiou]|hon", text):
            article = "an"
        return f"{article} {text} {self.relative.english() if self.relative else ''}".strip()

    def german(self, case: Case) -> str:
        """The phrase in a case, with its relative clause between commas."""
        _, article, declension = self.determiner
        form = (declension, case, self.gender)
        owner = self.owner.german(Case.GEN) if self.owner else ""
        named = self.determiner is BARE  # ``Annas Hund``, but ``der Hund des Mannes``.
        words = [
            owner if named else article + morphology.article_ending(*form),
            self.number[1],
            *(morphology.adjective(adjective.german, *form) for adjective in self.adjectives),
            self.noun.declined(case, plural=self.plural),
            "" if named else owner,
        ]
        text = " ".join(filter(None, words))
        return f"{text}, {self.relative.german()}," if self.relative else text

    def pronoun(self) -> Pronoun:
        """The pronoun for the phrase: English by sex, German by gender."""
        german = _BY_GENDER[self.gender]
        english = HE if german is HE else SHE
        if self.plural or "person" not in self.kinds:
            english = THEY if self.plural else IT
        return replace(english, german_forms=german.german_forms, kinds=self.kinds)

    def relative_pronoun(self) -> Pronoun:
        """The relative pronoun, with the possessives of the personal one."""
        english = "who who" if "person" in self.kinds else "which which"
        his, sein, _ = self.pronoun().possessive()
        forms = f"{english} {his}", f"{_RELATIVE[self.gender]} {sein}"
        return Pronoun(*forms, self.agreement, self.kinds, relative=True)


Phrase: TypeAlias = NounPhrase | Pronoun
