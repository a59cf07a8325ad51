"""German noun phrases in their cases; relative clauses are left to ``german``."""

from automl_tf.data.grammar.features import is_plural, person_of
from automl_tf.data.grammar.function_words import BARE, THE
from automl_tf.data.grammar.german_nouns import (
    adjective_ending,
    adjective_stem,
    contract,
    determiner,
    noun_form,
    relative_pronoun,
)
from automl_tf.data.grammar.german_verbs import Agreement
from automl_tf.data.grammar.meaning import (
    Asked,
    Circumstance,
    Comparison,
    Degree,
    Description,
    Entity,
    Named,
    Pair,
    Personal,
    Phrase,
    Prepositional,
    Relative,
)
from automl_tf.data.grammar.words import Adverbial, Case, Determiner, Gender, Sex

# Nominative, accusative and dative, by person; the third person singular by gender.
_SINGULAR = {1: "ich mich mir", 2: "du dich dir"}
_THIRD = {
    Gender.MASCULINE: "er ihn ihm",
    Gender.FEMININE: "sie sie ihr",
    Gender.NEUTER: "es es ihm",
}
_PLURAL = {1: "wir uns uns", 3: "sie sie ihnen"}
_REFLEXIVE = {(1, False): "mich", (2, False): "dich", (1, True): "uns"}
_ASKED = {True: "wer wen wem", False: "was was -"}
_CASES = (Case.NOMINATIVE, Case.ACCUSATIVE, Case.DATIVE)


def agreement_of(phrase: Phrase) -> Agreement:
    """What a verb agrees with."""
    return Agreement(person_of(phrase), is_plural(phrase))


def reflexive_pronoun(phrase: Phrase) -> str:
    """``mich``, ``dich``, ``uns`` or ``sich``."""
    return _REFLEXIVE.get((person_of(phrase), is_plural(phrase)), "sich")


def phrase_words(phrase: Phrase, case: Case) -> list[str]:
    """A phrase in a case, without its relative clause."""
    match phrase:
        case Entity():
            return _entity(phrase, case)
        case Personal():
            return [_personal(phrase).split()[_CASES.index(case)]]
        case Named():
            return _named(phrase, case)
        case Relative():
            return [relative_pronoun(case, phrase.gender, plural=phrase.plural)]
        case Asked():
            return [_ASKED[phrase.human].split()[_CASES.index(case)]]
        case Pair():
            return [*phrase_words(phrase.first, case), "und", *phrase_words(phrase.second, case)]


def _personal(pronoun: Personal) -> str:
    if pronoun.plural:
        return _PLURAL[pronoun.person]
    return _SINGULAR.get(pronoun.person) or _THIRD[pronoun.gender]


def _named(name: Named, case: Case) -> list[str]:
    form = name.name
    if case is Case.GENITIVE:
        form += "’" if form.endswith(("s", "x", "z", "ß")) else "s"
    if not name.titled:
        return [form]
    if name.sex is Sex.SHE:
        return ["Frau", form]
    return ["Herr" if case is Case.NOMINATIVE else "Herrn", form]


def prepositional(preposition: str, phrase: Phrase, case: Case) -> list[str]:
    """A phrase behind its preposition, drawn together with the article where that is usual."""
    definite = isinstance(phrase, Entity) and _leads(phrase) is THE
    return contract(preposition, phrase_words(phrase, case), definite=definite)


def circumstance(what: Circumstance) -> list[str]:
    """An adverb or a prepositional phrase."""
    if isinstance(what, Adverbial):
        return what.de.split()
    return prepositional(what.de, what.phrase, what.case)


def _leads(entity: Entity) -> Determiner:
    """The determiner in front: none behind ``Annas`` and ``dessen``."""
    return BARE if isinstance(entity.owner, Named | Relative) else entity.determiner


def _entity(entity: Entity, case: Case) -> list[str]:
    lead = _leads(entity)
    gender, plural = entity.noun.gender, entity.plural
    words = [
        *_owner_before(entity),
        *determiner(lead, case, gender, plural=plural).split(),
        *(entity.quantity.de.split() if entity.quantity else ()),
    ]
    ending = adjective_ending(lead, case, gender, plural=plural)
    for description in entity.descriptions:
        words += described(description, ending)
    words.append(noun_form(entity.noun, case, plural=plural))
    return [*words, *_behind(entity)]


def described(description: Description, ending: str) -> list[str]:
    """An attributive adjective with its intensifier."""
    stem = adjective_stem(description.adjective, description.degree)
    intensifier = description.intensifier.de.split() if description.intensifier else []
    return [*intensifier, stem + ending]


def _owner_before(entity: Entity) -> list[str]:
    match entity.owner:
        case Named() as name:
            return phrase_words(name, Case.GENITIVE)
        case Relative() as pronoun:
            return [relative_pronoun(Case.GENITIVE, pronoun.gender, plural=pronoun.plural)]
        case _:
            return []


def _behind(entity: Entity) -> list[str]:
    words = []
    if entity.contents:
        words.append(entity.contents.de)
    if isinstance(entity.owner, Entity):
        words += phrase_words(entity.owner, Case.GENITIVE)
    if isinstance(entity.attribute, Prepositional):
        words += circumstance(entity.attribute)
    return words


def comparison(what: Comparison) -> list[str]:
    """An adjective behind ``sein``: ``sehr alt``, ``älter als der Mann``, ``so alt wie sie``."""
    description = what.description
    words = description.intensifier.de.split() if description.intensifier else []
    if description.degree is Degree.COMPARATIVE:
        words.append(description.adjective.de_comparative)
        link = ["als"]
    else:
        words.append(description.adjective.de)
        link = ["wie"]
    if what.standard is None:
        return words
    lead = ["so"] if link == ["wie"] else []
    return [*lead, *words, *link, *phrase_words(what.standard, Case.NOMINATIVE)]
