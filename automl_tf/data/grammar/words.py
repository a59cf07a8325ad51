"""What an entry of the lexicon holds."""

from dataclasses import dataclass
from enum import StrEnum


class Gender(StrEnum):
    """Grammatical gender of a German noun."""

    MASCULINE = "m"
    FEMININE = "f"
    NEUTER = "n"


class Case(StrEnum):
    """Case of a German noun phrase."""

    NOMINATIVE = "nom"
    ACCUSATIVE = "acc"
    DATIVE = "dat"
    GENITIVE = "gen"


class Sex(StrEnum):
    """Which English pronoun stands for a noun; none for a child, whom we never call "it"."""

    HE = "he"
    SHE = "she"
    IT = "it"
    UNSAID = ""


@dataclass(frozen=True)
class Noun:
    """A noun of both languages.

    Attributes:
        en: English singular.
        en_plural: English plural; empty for what is not counted.
        de: German nominative singular.
        de_plural: German nominative plural; empty for what is not counted.
        gender: Gender of the German noun.
        genitive: German genitive singular.
        weak: Whether all other cases end in -n, as in ``der Junge, den Jungen``.
        sex: The English pronoun that stands for it.
        kinds: What it is, as verbs and adjectives ask for it.
        weight: How often it is chosen, relative to others.
    """

    en: str
    en_plural: str
    de: str
    de_plural: str
    gender: Gender
    genitive: str
    weak: bool
    sex: Sex
    kinds: tuple[str, ...]
    weight: int

    @property
    def counted(self) -> bool:
        """Whether it has a plural."""
        return bool(self.de_plural)


@dataclass(frozen=True)
class EnglishVerb:
    """Principal parts of an English verb.

    Attributes:
        base: Infinitive without ``to``.
        past: Simple past.
        participle: Past participle.
        ing: Present participle.
        particle: ``up`` in ``pick up``, which moves behind a pronoun.
        preposition: ``for`` in ``wait for``, which stays before the object.
        stative: Whether it has no continuous form.
    """

    base: str
    past: str
    participle: str
    ing: str
    particle: str = ""
    preposition: str = ""
    stative: bool = False


@dataclass(frozen=True)
class GermanVerb:
    """Principal parts of a German verb; all but the participle without the separable prefix.

    Attributes:
        infinitive: Infinitive.
        prefix: ``an`` in ``anrufen``.
        changed_stem: Stem of the second and third person singular present, as in ``lies``.
        past: First person singular of the simple past.
        participle: Past participle with its prefix.
        takes_sein: Whether the perfect is made with ``sein``.
        reflexive: Whether ``sich`` belongs to it.
    """

    infinitive: str
    prefix: str
    changed_stem: str
    past: str
    participle: str
    takes_sein: bool = False
    reflexive: bool = False


class Frame(StrEnum):
    """What a verb needs beside its subject."""

    NOTHING = "none"
    ACCUSATIVE = "acc"
    DATIVE = "dat"
    RECIPIENT = "dat+acc"
    PREPOSITION = "prep"
    GOAL = "goal"
    PLACE = "place"
    PLACING = "acc+goal"
    EXPERIENCE = "likes"
    """The English subject is the German dative: ``she likes it``, ``es gefällt ihr``."""


@dataclass(frozen=True)
class Verb:
    """A verb of both languages with what it asks of its arguments.

    Attributes:
        en: English principal parts.
        de: German principal parts.
        frame: What it needs beside its subject.
        subjects: Kinds of nouns that do it.
        objects: Kinds of nouns that it is done to.
        preposition: German preposition of the object, if it has one.
        case: Case of the object after that preposition.
        to_only: Whether English says "explain it to him", never "explain him it".
        passive: Whether its passive sounds natural.
        weight: How often it is chosen, relative to others.
    """

    en: EnglishVerb
    de: GermanVerb
    frame: Frame
    subjects: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    preposition: str = ""
    case: Case = Case.ACCUSATIVE
    to_only: bool = False
    passive: bool = False
    weight: int = 1


@dataclass(frozen=True)
class Adjective:
    """An adjective of both languages; empty comparatives where comparing makes no sense.

    Attributes:
        en: English positive.
        en_comparative: ``older`` or ``more famous``.
        en_superlative: ``oldest`` or ``most famous``.
        de: German positive as a predicate.
        de_stem: German positive before an ending, as in ``teur-``.
        de_comparative: German comparative without ending.
        de_superlative: German superlative without ending.
        kinds: Kinds of nouns that it describes.
        weight: How often it is chosen, relative to others.
    """

    en: str
    en_comparative: str
    en_superlative: str
    de: str
    de_stem: str
    de_comparative: str
    de_superlative: str
    kinds: tuple[str, ...]
    weight: int


class Declension(StrEnum):
    """How a determiner is declined and which endings its adjectives take."""

    DEFINITE = "der"
    DER_WORD = "dieser"
    EIN_WORD = "ein"
    STRONG = "viele"
    """Declined like ``dieser``, but its adjectives keep strong endings."""
    BARE = ""
    """Not declined; adjectives take strong endings."""


@dataclass(frozen=True)
class Determiner:
    """An article, possessive, demonstrative or quantifier.

    Attributes:
        en: English form before a singular.
        en_plural: English form before a plural.
        de: German stem, to which an ending is added.
        declension: How it is declined.
    """

    en: str
    en_plural: str
    de: str
    declension: Declension


@dataclass(frozen=True)
class Adverbial:
    """An adverb or a fixed phrase that is never inflected."""

    en: str
    de: str


def zipf(rank: int) -> int:
    """The weight of the word at a rank, counted from zero, of a table sorted by frequency."""
    return 100_000 // (rank + 4)
