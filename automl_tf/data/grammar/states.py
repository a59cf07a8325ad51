"""Makes up what something is: clauses with ``be``, ``have``, ``cost`` and ``there is``."""

from dataclasses import replace

from automl_tf.data.grammar import scenes
from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.circumstances import by_rank
from automl_tf.data.grammar.events import overlap
from automl_tf.data.grammar.features import is_plural
from automl_tf.data.grammar.function_words import BARE, INTENSIFIERS, NO, THE, THERE_IS_NO, A
from automl_tf.data.grammar.ideas import PERSON, kinds_of, noun, someone, thing
from automl_tf.data.grammar.meaning import (
    THIRD,
    Clause,
    Comparison,
    Degree,
    Description,
    Entity,
    Named,
    Personal,
    Phrase,
    Profession,
    Tense,
)
from automl_tf.data.grammar.numbers import (
    english_digits,
    english_number,
    german_digits,
    german_number,
)
from automl_tf.data.grammar.pronouns import sex_of
from automl_tf.data.grammar.qualities import adjectives_for, weights
from automl_tf.data.grammar.verbs import special
from automl_tf.data.grammar.words import Adverbial, Sex

_DESCRIBED = {
    "person": 15,
    "animal": 1,
    "furniture": 1,
    "clothing": 1,
    "vehicle": 1,
    "writing": 1,
    "idea": 1,
    "goods": 1,
    "food": 1,
    "building": 1,
    "room": 1,
    "sight": 1,
    "machine": 1,
    "tool": 1,
}
_TENSES = {Tense.PRESENT: 50, Tense.PAST: 44, Tense.FUTURE: 6}
_OLDEST, _DEAREST, _LAST_CENT = 99, 2000, 99
IT = Personal(THIRD, sex=Sex.IT)
"""The subject of weather and of existence."""


def state(chance: Chance, subject: Phrase | None = None, tense: Tense | None = None) -> Clause:
    """What someone or something is, has or costs."""
    subject = subject or _someone_or_something(chance)
    tense = tense or chance.mixed(_TENSES)
    if _is_person(subject):
        makers = {quality: 50, comparison: 14, profession: 9, having: 14, age: 5, being_there: 8}
    else:
        makers = {quality: 62, comparison: 18, amount: 20}
    return chance.mixed(makers)(chance, subject, tense)


def _someone_or_something(chance: Chance) -> Phrase:
    return someone(chance, (chance.mixed(_DESCRIBED),))


def _is_person(phrase: Phrase) -> bool:
    return "person" in kinds_of(phrase)


def quality(chance: Chance, subject: Phrase, tense: Tense, kinds: tuple[str, ...] = ()) -> Clause:
    """``The house is very old``; sometimes denied; in the present rather than the perfect.

    Args:
        chance: Source of the choices.
        subject: What is described.
        tense: When.
        kinds: What the subject is; needed for a relative pronoun.
    """
    tense = Tense.PRESENT if tense is Tense.PERFECT else tense
    said = subject.descriptions if isinstance(subject, Entity) else ()
    names = kinds or kinds_of(subject)
    fitting = [
        adjective
        for adjective in adjectives_for(names)
        if adjective not in [description.adjective for description in said]
    ]
    adjective = chance.weighted(fitting, weights(fitting, names))
    gradable = bool(adjective.de_comparative)
    intensifier = by_rank(chance, INTENSIFIERS) if gradable and chance.happens(35) else None
    what = Comparison(Description(adjective, intensifier=intensifier))
    becomes = tense is not Tense.PRESENT and gradable and chance.happens(25)
    verb = special("become", "werden") if becomes else special("be", "sein")
    definite = not isinstance(subject, Entity) or subject.determiner not in {A, BARE}
    denied = intensifier is None and definite and chance.happens(15)
    return Clause(subject, verb, tense, predicate=what, negated=denied)


def comparison(chance: Chance, subject: Phrase, tense: Tense) -> Clause:
    """``The house is older than the church``, ``as old as the church``."""
    fitting = adjectives_for(kinds_of(subject), compared=True)
    standard = _standard(chance, subject)
    if not fitting or overlap(subject, standard):
        return quality(chance, subject, tense)
    adjective = chance.weighted(fitting, weights(fitting, kinds_of(subject)))
    degree = chance.mixed({Degree.COMPARATIVE: 3, Degree.POSITIVE: 1})
    what = Comparison(Description(adjective, degree), standard)
    return Clause(subject, special("be", "sein"), tense, predicate=what)


def _standard(chance: Chance, subject: Phrase) -> Phrase:
    """Someone or something of the same sort."""
    if not isinstance(subject, Entity):
        return Entity(noun(chance, PERSON), THE)
    return Entity(noun(chance, kinds_of(subject)[:1]), THE)


def profession(chance: Chance, subject: Phrase, tense: Tense) -> Clause:
    """``He is a teacher``; the German noun goes by the sex of the person."""
    kind = {Sex.HE: "man", Sex.SHE: "woman"}.get(sex_of(subject))
    if kind is None or not isinstance(subject, Named | Personal | Entity) or is_plural(subject):
        return quality(chance, subject, tense)
    job = _job(chance, kind)
    if overlap(subject, Entity(job.noun, THE)):
        return quality(chance, subject, tense)
    becomes = tense is not Tense.PRESENT and chance.happens(60)
    verb = special("become", "werden") if becomes else special("be", "sein")
    return Clause(subject, verb, tense, predicate=job)


def _job(chance: Chance, kind: str) -> Profession:
    while True:
        found = noun(chance, ("job",))
        if kind in found.kinds:
            return Profession(found)


def having(chance: Chance, subject: Phrase, tense: Tense) -> Clause:
    """``She has two brothers``, ``She does not have a car``."""
    owned = _kin(chance) if chance.happens(35) else thing(chance, ("goods", "vehicle", "pet"))
    denied = chance.happens(25)
    if denied:
        owned = Entity(owned.noun, NO)
    elif owned.determiner is THE or owned.owner:
        owned = Entity(owned.noun, A, descriptions=owned.descriptions)
    return Clause(subject, special("have", "haben"), tense, direct=owned, negated=denied)


def _kin(chance: Chance) -> Entity:
    found = thing(chance, ("relation",))
    number = found.quantity if found.plural else None
    return Entity(found.noun, BARE if found.plural else A, found.plural, number)


def age(chance: Chance, subject: Phrase, tense: Tense) -> Clause:
    """``He is twenty-one years old``."""
    years = chance.between(2, _OLDEST)
    inside = chance.happens(50)
    english = english_number(years) if inside else english_digits(years)
    german = german_number(years) if inside else german_digits(years)
    what = Adverbial(f"{english} years old", f"{german} Jahre alt")
    return Clause(subject, special("be", "sein"), tense, predicate=what)


def being_there(chance: Chance, subject: Phrase, tense: Tense) -> Clause:
    """``She is in the kitchen``."""
    where = scenes.place(chance, subject)
    return Clause(subject, special("be", "sein"), tense, predicate=where)


def amount(chance: Chance, subject: Phrase, tense: Tense) -> Clause:
    """``The ticket costs 3.50 euros``, ``The suitcase weighs twenty-one kilos``."""
    goods = thing(chance, ("goods",))
    subject = Entity(goods.noun, THE, descriptions=goods.descriptions)
    tense = Tense.PRESENT if tense is not Tense.PAST else tense
    if chance.happens(30):
        number = chance.between(2, _OLDEST)
        what = Adverbial(f"{english_number(number)} kilos", f"{german_number(number)} Kilo")
        return Clause(subject, special("weigh", "wiegen"), tense, predicate=what)
    return Clause(subject, special("cost", "kosten"), tense, predicate=_price(chance))


def _price(chance: Chance) -> Adverbial:
    if chance.happens(50):
        number = chance.between(2, _DEAREST // 2 - 1)
        return Adverbial(f"{english_number(number)} euros", f"{german_number(number)} Euro")
    euros, cents = chance.between(2, _DEAREST), chance.between(1, _LAST_CENT)
    return Adverbial(f"{english_digits(euros, cents)} euros", f"{german_digits(euros, cents)} Euro")


def existence(chance: Chance) -> Clause:
    """``There is a cat in the garden``, ``In the garden is no cat``."""
    tense = chance.mixed({Tense.PRESENT: 1, Tense.PAST: 1})
    what = thing(chance, ("animal", "furniture", "plant", "goods", "person"))
    if chance.happens(20):
        what = Entity(what.noun, THERE_IS_NO, what.plural)
    elif what.determiner not in {A, BARE} or what.owner:
        what = Entity(what.noun, BARE if what.plural else A, what.plural)
    where = scenes.place(chance)
    return Clause(IT, special("exist", "geben"), tense, direct=what, place=where)


def weather(chance: Chance, tense: Tense) -> Clause:
    """``It is raining in Berlin``."""
    verb = special(
        *chance.mixed({("rain", "regnen"): 5, ("snow", "schneien"): 3, ("thunder", "donnern"): 1})
    )
    clause = Clause(IT, verb, tense)
    return replace(clause, place=scenes.city(chance)) if chance.happens(40) else clause
