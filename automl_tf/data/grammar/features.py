"""What can be read off a phrase or a clause in either language."""

from automl_tf.data.grammar.function_words import ASKING
from automl_tf.data.grammar.meaning import (
    THIRD,
    Asked,
    Clause,
    Entity,
    Named,
    Pair,
    Personal,
    Phrase,
    Relative,
)


def is_asked(phrase: Phrase | None) -> bool:
    """Whether a phrase is what a question asks for."""
    return isinstance(phrase, Asked) or (isinstance(phrase, Entity) and phrase.determiner in ASKING)


def goes_first(phrase: Phrase | None) -> bool:
    """Whether both languages put a phrase at the start of its clause wherever it belongs."""
    owned = isinstance(phrase, Entity) and isinstance(phrase.owner, Relative)
    return owned or isinstance(phrase, Relative) or is_asked(phrase)


def is_plural(phrase: Phrase) -> bool:
    """Whether a verb takes its plural with a phrase."""
    match phrase:
        case Pair():
            return True
        case Named() | Asked():
            return False
        case _:
            return phrase.plural


def person_of(phrase: Phrase) -> int:
    """The grammatical person of a phrase."""
    return phrase.person if isinstance(phrase, Personal) else THIRD


def is_existential(clause: Clause) -> bool:
    """Whether the clause says that something exists: ``there is a``, ``es gibt ein``."""
    return clause.verb.en.base == "exist"


def has_relative(phrase: Phrase | None) -> bool:
    """Whether a phrase ends in a relative clause."""
    return isinstance(phrase, Entity) and phrase.relative is not None
