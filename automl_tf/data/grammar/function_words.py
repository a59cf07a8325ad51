"""The closed classes: determiners, adverbs, modal verbs and conjunctions."""

from dataclasses import dataclass

from automl_tf.data.grammar.words import Adverbial, Declension, Determiner

THE = Determiner("the", "the", "", Declension.DEFINITE)
A = Determiner("a", "", "ein", Declension.EIN_WORD)
NO = Determiner("a", "any", "kein", Declension.EIN_WORD)
"""An indefinite that German negates itself: ``not a``, ``not any``."""
THERE_IS_NO = Determiner("no", "no", "kein", Declension.EIN_WORD)
BARE = Determiner("", "", "", Declension.BARE)
PLAYED = Determiner("the", "the", "", Declension.BARE)
"""Before a musical instrument that is played: ``plays the piano``, ``spielt Klavier``."""
THIS = Determiner("this", "these", "dies", Declension.DER_WORD)
THAT = Determiner("that", "those", "jen", Declension.DER_WORD)
EVERY = Determiner("every", "all the", "jed", Declension.DER_WORD)
ALL = Determiner("all the", "all the", "all", Declension.DER_WORD)
BOTH = Determiner("both", "both", "beid", Declension.DER_WORD)
MANY = Determiner("many", "many", "viel", Declension.STRONG)
SOME = Determiner("some", "some", "einig", Declension.STRONG)
SEVERAL = Determiner("several", "several", "mehrer", Declension.STRONG)
FEW = Determiner("few", "few", "wenig", Declension.STRONG)
WHICH = Determiner("which", "which", "welch", Declension.DER_WORD)
HOW_MANY = Determiner("how many", "how many", "wie viel", Declension.STRONG)
INDEFINITE = (A, NO, THERE_IS_NO, BARE, PLAYED, MANY, SOME, SEVERAL, FEW)
QUANTIFIERS = {MANY: 4, SOME: 4, ALL: 3, SEVERAL: 2, BOTH: 2, FEW: 1}
MY = Determiner("my", "my", "mein", Declension.EIN_WORD)
YOUR = Determiner("your", "your", "dein", Declension.EIN_WORD)
HIS = Determiner("his", "his", "sein", Declension.EIN_WORD)
HER = Determiner("her", "her", "ihr", Declension.EIN_WORD)
OUR = Determiner("our", "our", "unser", Declension.EIN_WORD)
THEIR = Determiner("their", "their", "ihr", Declension.EIN_WORD)
POSSESSIVES = (MY, YOUR, HIS, HER, OUR, THEIR)
ASKING = (WHICH, HOW_MANY)

FREQUENCY = (
    Adverbial("often", "oft"),
    Adverbial("always", "immer"),
    Adverbial("never", "nie"),
    Adverbial("sometimes", "manchmal"),
    Adverbial("usually", "meistens"),
    Adverbial("rarely", "selten"),
)
ASPECT = (Adverbial("already", "schon"), Adverbial("just", "gerade"))

MANNERS = (
    Adverbial("quickly", "schnell"),
    Adverbial("carefully", "vorsichtig"),
    Adverbial("quietly", "leise"),
    Adverbial("slowly", "langsam"),
    Adverbial("alone", "allein"),
    Adverbial("secretly", "heimlich"),
    Adverbial("in a hurry", "in Eile"),
    Adverbial("with pleasure", "mit Vergnügen"),
)
COMMENTS = (
    Adverbial("perhaps", "vielleicht"),
    Adverbial("unfortunately", "leider"),
    Adverbial("of course", "natürlich"),
    Adverbial("probably", "wahrscheinlich"),
    Adverbial("fortunately", "glücklicherweise"),
    Adverbial("surprisingly", "überraschenderweise"),
    Adverbial("actually", "eigentlich"),
)
PAST_COMMENTS = (
    Adverbial("suddenly", "plötzlich"),
    Adverbial("finally", "endlich"),
    Adverbial("shortly afterwards", "kurz danach"),
    Adverbial("to everyone’s surprise", "zur Überraschung aller"),
)
INTENSIFIERS = (
    Adverbial("very", "sehr"),
    Adverbial("quite", "ziemlich"),
    Adverbial("too", "zu"),
    Adverbial("extremely", "äußerst"),
)


@dataclass(frozen=True)
class Modal:
    """A modal verb.

    Attributes:
        en: English present, as in ``can``.
        en_past: English past.
        lexical: Whether English takes ``do`` and -s with it, as in ``wants to``.
        de: German infinitive.
        de_negated: German infinitive under negation, where ``must not`` is ``darf nicht``.
        has_past: Whether there is a past.
    """

    en: str
    en_past: str
    lexical: bool
    de: str
    de_negated: str
    has_past: bool = True


MODALS = {
    Modal("can", "could", lexical=False, de="können", de_negated="können"): 5,
    Modal("want to", "wanted to", lexical=True, de="wollen", de_negated="wollen"): 5,
    Modal("have to", "had to", lexical=True, de="müssen", de_negated="müssen"): 4,
    Modal("must", "", lexical=False, de="müssen", de_negated="dürfen", has_past=False): 2,
    Modal("should", "", lexical=False, de="sollten", de_negated="sollten", has_past=False): 3,
    Modal(
        "would like to", "", lexical=False, de="möchten", de_negated="möchten", has_past=False
    ): 3,
    Modal("may", "", lexical=False, de="dürfen", de_negated="dürfen", has_past=False): 1,
}


@dataclass(frozen=True)
class Conjunction:
    """A word that joins two clauses.

    Attributes:
        en: English.
        de: German.
        inverts: Whether the German verb follows at once, as after ``deshalb``.
        comma: Whether German puts a comma before it.
    """

    en: str
    de: str
    inverts: bool = False
    comma: bool = True


AND = Conjunction("and", "und", comma=False)
BUT = Conjunction("but", "aber")
JOINING = {
    AND: 6,
    BUT: 5,
    Conjunction("for", "denn"): 2,
    Conjunction("so", "deshalb", inverts=True): 3,
    Conjunction("then", "dann", inverts=True): 1,
}
