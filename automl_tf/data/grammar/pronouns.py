"""Chooses pronouns and possessives, and finds the pronoun for somebody named before."""

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.features import is_plural, person_of
from automl_tf.data.grammar.function_words import HER, HIS, MY, OUR, THEIR, YOUR
from automl_tf.data.grammar.meaning import (
    THIRD,
    Entity,
    Named,
    Pair,
    Personal,
    Phrase,
    Relative,
)
from automl_tf.data.grammar.words import Determiner, Gender, Sex


def pronoun(chance: Chance) -> Personal:
    """A personal pronoun; never ``it``, which needs something to stand for."""
    return chance.mixed(
        {
            Personal(1): 4,
            Personal(2): 3,
            Personal(THIRD, sex=Sex.HE, gender=Gender.MASCULINE): 4,
            Personal(THIRD, sex=Sex.SHE, gender=Gender.FEMININE): 4,
            Personal(1, plural=True): 2,
            Personal(THIRD, plural=True): 3,
        }
    )


def possessive(chance: Chance, possessor: Phrase | None) -> Determiner:
    """A possessive; mostly that of the possessor, if there is one that has a pronoun."""
    own = _possessive_of(possessor)
    if own and chance.happens(65):
        return own
    return chance.mixed({MY: 5, YOUR: 3, OUR: 3, HIS: 1, HER: 1, THEIR: 1})


def _possessive_of(possessor: Phrase | None) -> Determiner | None:
    match possessor:
        case None | Relative():
            return None
        case _ if person_of(possessor) < THIRD:
            return {(1, False): MY, (2, False): YOUR}.get(
                (person_of(possessor), is_plural(possessor)), OUR
            )
        case _ if is_plural(possessor):
            return THEIR
        case _:
            return {Sex.HE: HIS, Sex.SHE: HER}.get(sex_of(possessor))


def sex_of(phrase: Phrase) -> Sex:
    """Which English pronoun stands for a singular phrase."""
    match phrase:
        case Named() | Personal():
            return phrase.sex
        case Entity():
            return phrase.noun.sex
        case _:
            return Sex.UNSAID


def pronoun_for(phrase: Phrase) -> Personal | None:
    """The pronoun that takes a phrase up again, or none where it would be unclear or odd."""
    match phrase:
        case Personal():
            return phrase
        case Pair():
            return Personal(THIRD, plural=True)
        case Entity(plural=True):
            return Personal(THIRD, plural=True)
        case Entity() | Named():
            return _singular_pronoun(phrase)
        case _:
            return None


def _singular_pronoun(phrase: Entity | Named) -> Personal | None:
    match sex_of(phrase):
        case Sex.HE:
            return Personal(THIRD, sex=Sex.HE, gender=Gender.MASCULINE)
        case Sex.SHE:
            return Personal(THIRD, sex=Sex.SHE, gender=Gender.FEMININE)
        case Sex.IT if isinstance(phrase, Entity) and phrase.noun.counted:
            return Personal(THIRD, sex=Sex.IT, gender=phrase.noun.gender)
        case _:
            return None
