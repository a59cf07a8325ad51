"""What a sentence says, before it is put into words of either language."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from automl_tf.data.grammar.function_words import Conjunction, Modal
from automl_tf.data.grammar.words import (
    Adjective,
    Adverbial,
    Case,
    Determiner,
    Gender,
    Noun,
    Sex,
    Verb,
)

THIRD = 3


class Tense(StrEnum):
    """Tense and aspect of a clause, as English divides them."""

    PRESENT = "does"
    CONTINUOUS = "is doing"
    PAST = "did"
    PERFECT = "has done"
    PLUPERFECT = "had done"
    FUTURE = "will do"


class Mood(StrEnum):
    """What a sentence is uttered for."""

    STATEMENT = "."
    QUESTION = "?"
    COMMAND = "!"


class Degree(StrEnum):
    """Degree of an adjective."""

    POSITIVE = "positive"
    COMPARATIVE = "comparative"
    SUPERLATIVE = "superlative"


@dataclass(frozen=True)
class Description:
    """An adjective before a noun, with what makes it stronger or weaker."""

    adjective: Adjective
    degree: Degree = Degree.POSITIVE
    intensifier: Adverbial | None = None


@dataclass(frozen=True)
class Personal:
    """A personal pronoun.

    Attributes:
        person: From one to three.
        plural: Whether it stands for several.
        sex: Decides between ``he``, ``she`` and ``it``.
        gender: Decides between ``er``, ``sie`` and ``es``; that of the noun it stands for.
    """

    person: int
    plural: bool = False
    sex: Sex = Sex.UNSAID
    gender: Gender = Gender.NEUTER


@dataclass(frozen=True)
class Named:
    """A person by name.

    Attributes:
        name: The name without a title.
        sex: Decides on pronouns and on the title.
        titled: Whether it is a surname that needs ``Mr.`` or ``Mrs.``.
    """

    name: str
    sex: Sex
    titled: bool = False


@dataclass(frozen=True)
class Relative:
    """The relative pronoun, standing where its noun would stand in the relative clause.

    Attributes:
        gender: Gender of the noun before it.
        plural: Whether that is a plural.
        human: Decides between ``who`` and ``which``.
        unsaid: Whether English leaves it out, as in ``the man I know``.
    """

    gender: Gender
    plural: bool
    human: bool
    unsaid: bool = False


@dataclass(frozen=True)
class Asked:
    """``who`` or ``what``, standing where the answer would stand."""

    human: bool


@dataclass(frozen=True)
class Entity:
    """Someone or something called by a noun.

    Attributes:
        noun: The noun.
        determiner: Its determiner.
        plural: Whether there are several.
        quantity: How many there are, in words or digits.
        descriptions: Adjectives before the noun.
        owner: Whose it is, if that is said by a genitive.
        contents: What there is a glass or a piece of.
        attribute: A phrase behind the noun, as in ``the man with the hat``.
        relative: A relative clause, with a ``Relative`` in it.
    """

    noun: Noun
    determiner: Determiner
    plural: bool = False
    quantity: Adverbial | None = None
    descriptions: tuple[Description, ...] = ()
    owner: "Entity | Named | Relative | None" = None
    contents: Noun | None = None
    attribute: "Prepositional | None" = None
    relative: "Clause | None" = None


@dataclass(frozen=True)
class Pair:
    """Two that do something together."""

    first: Entity | Named
    second: Entity | Named


Phrase: TypeAlias = Entity | Personal | Named | Relative | Asked | Pair


@dataclass(frozen=True)
class Prepositional:
    """A preposition in each language and what follows it.

    Attributes:
        en: English preposition.
        de: German preposition.
        case: Case that the German preposition governs here.
        phrase: What follows.
    """

    en: str
    de: str
    case: Case
    phrase: Phrase


Circumstance: TypeAlias = Adverbial | Prepositional


@dataclass(frozen=True)
class Comparison:
    """An adjective behind ``be``, alone or compared with someone.

    Attributes:
        description: The adjective; in the comparative it needs ``standard``.
        standard: Whom it is compared with.
    """

    description: Description
    standard: Phrase | None = None


@dataclass(frozen=True)
class Profession:
    """A noun behind ``be``, where German has no article: ``er ist Lehrer``."""

    noun: Noun


Predicate: TypeAlias = Comparison | Profession | Adverbial | Prepositional


@dataclass(frozen=True)
class Subordinate:
    """A clause with its conjunction, the verb at its end in German."""

    en: str
    de: str
    clause: "Clause"


@dataclass(frozen=True)
class Infinitive:
    """A clause without a subject: ``to buy``, ``in order to buy``, ``without buying``.

    Attributes:
        en: What English puts before the verb.
        de: What German puts before the clause, if anything.
        clause: The clause; its subject is not said.
    """

    en: str
    de: str
    clause: "Clause"


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, when, where and how.

    Attributes:
        subject: The English subject.
        verb: The verb.
        tense: The tense; with a modal verb, that of the modal.
        direct: The object in the verb's frame.
        recipient: Who gets the object.
        modal: Modal verb, if any.
        gladly: Whether it is liked: ``likes to read``, ``liest gern``.
        negated: Whether it is denied.
        passive: Whether the subject is what it is done to.
        agent: Who does it, in the passive.
        predicate: What the subject is, with ``be`` and its like.
        frequency: How often.
        manner: How.
        instrument: With what.
        place: Where.
        goal: Where to.
        time: When.
        time_first: Whether the time opens the sentence.
        comment: What the speaker thinks of it; it opens the sentence.
        asking: ``why``, ``where`` and their like.
        content: The clause that is said, tried or asked.
    """

    subject: Phrase
    verb: Verb
    tense: Tense
    direct: Phrase | None = None
    recipient: Phrase | None = None
    modal: Modal | None = None
    gladly: bool = False
    negated: bool = False
    passive: bool = False
    agent: Prepositional | None = None
    predicate: Predicate | None = None
    frequency: Adverbial | None = None
    manner: Adverbial | None = None
    instrument: Prepositional | None = None
    place: Circumstance | None = None
    goal: Circumstance | None = None
    time: Adverbial | None = None
    time_first: bool = False
    comment: Adverbial | None = None
    asking: Adverbial | None = None
    content: Subordinate | Infinitive | None = None


@dataclass(frozen=True)
class Joined:
    """A second main clause.

    Attributes:
        conjunction: What joins it to the first.
        clause: The clause.
        shares_subject: Whether its subject, the same as the first one's, is left out.
    """

    conjunction: Conjunction
    clause: Clause
    shares_subject: bool = False


@dataclass(frozen=True)
class Sentence:
    """A whole sentence.

    Attributes:
        main: Its main clause.
        mood: Statement, question or command.
        before: A subordinate clause that opens it.
        after: A subordinate clause or an infinitive that closes it.
        joined: A second main clause.
    """

    main: Clause
    mood: Mood = Mood.STATEMENT
    before: Subordinate | Infinitive | None = None
    after: Subordinate | Infinitive | None = None
    joined: Joined | None = None
