"""Makes up sentences of every sort."""

from collections.abc import Callable
from dataclasses import replace

from automl_tf.data.grammar import dependents, scenes
from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.circumstances import Detail
from automl_tf.data.grammar.events import WITH_ONE_OBJECT, Wish, event, overlap
from automl_tf.data.grammar.features import has_relative, person_of
from automl_tf.data.grammar.function_words import (
    AND,
    BUT,
    HOW_MANY,
    JOINING,
    PLAYED,
    WHICH,
)
from automl_tf.data.grammar.ideas import noun, someone, thing
from automl_tf.data.grammar.meaning import (
    THIRD,
    Asked,
    Clause,
    Entity,
    Joined,
    Mood,
    Personal,
    Phrase,
    Prepositional,
    Sentence,
    Tense,
)
from automl_tf.data.grammar.places import nouns_of
from automl_tf.data.grammar.reference import following
from automl_tf.data.grammar.relatives import can_be_described, with_relative
from automl_tf.data.grammar.states import existence, state, weather
from automl_tf.data.grammar.times import time_for
from automl_tf.data.grammar.verbs import actions, special
from automl_tf.data.grammar.words import Adverbial, Case, Frame, Noun

Maker = Callable[[Chance], Sentence]
_PLEASE = Adverbial("please", "bitte")
_ASKED_TENSES = {Tense.PAST: 6, Tense.PRESENT: 4, Tense.PERFECT: 3, Tense.FUTURE: 2}
_HOW_OFTEN = Adverbial("how often", "wie oft")
_WHERE = Adverbial("where", "wo")
_WHERE_TO = Adverbial("where", "wohin")
_WHY, _WHEN = Adverbial("why", "warum"), Adverbial("when", "wann")
_COMMANDED = (Frame.ACCUSATIVE, Frame.DATIVE, Frame.RECIPIENT, Frame.PREPOSITION)


def _statement(chance: Chance) -> Sentence:
    return Sentence(event(chance, Wish()))


def _described(chance: Chance) -> Sentence:
    """With a relative clause behind the subject, or behind an object that nothing follows."""
    clause = event(chance, Wish(detail=Detail.SOME, plain=True))
    if can_be_described(clause.subject) and chance.happens(55):
        return Sentence(replace(clause, subject=with_relative(chance, clause.subject)))
    last = replace(
        clause,
        time_first=clause.time is not None,
        place=clause.place if clause.verb.frame is Frame.PLACE else None,
        manner=None,
        instrument=None,
    )
    if can_be_described(last.direct) and not last.goal and not last.verb.en.particle:
        return Sentence(replace(last, direct=with_relative(chance, last.direct)))
    return Sentence(clause)


def _state(chance: Chance) -> Sentence:
    clause = state(chance)
    if can_be_described(clause.subject) and chance.happens(25):
        clause = replace(clause, subject=with_relative(chance, clause.subject))
    return Sentence(clause)


def _existence(chance: Chance) -> Sentence:
    return Sentence(existence(chance))


def _weather(chance: Chance) -> Sentence:
    tense = chance.mixed({Tense.PAST: 5, Tense.CONTINUOUS: 4, Tense.FUTURE: 2})
    clause = weather(chance, tense)
    return Sentence(replace(clause, time=time_for(chance, tense), time_first=chance.happens(30)))


def _passive(chance: Chance) -> Sentence:
    verbs = [verb for verb in actions() if verb.passive]
    verb = chance.weighted(verbs, [verb.weight for verb in verbs])
    subject = thing(chance, verb.objects)
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 2, Tense.PERFECT: 2, Tense.FUTURE: 1})
    doer = thing(chance, verb.subjects)
    agent = Prepositional("by", "von", Case.DATIVE, doer)
    said = chance.happens(55) and not overlap(doer, subject)
    clause = Clause(subject, verb, tense, passive=True, agent=agent if said else None)
    if chance.happens(50):
        clause = replace(clause, time=time_for(chance, tense), time_first=chance.happens(40))
    elif chance.happens(30):
        clause = replace(clause, place=scenes.place(chance))
    return Sentence(clause)


def _music(chance: Chance) -> Sentence:
    """``She plays the piano``, ``Sie spielt Klavier``."""
    tense = chance.mixed({Tense.PRESENT: 4, Tense.PAST: 3, Tense.CONTINUOUS: 2, Tense.FUTURE: 1})
    played = Entity(noun(chance, ("music",)), PLAYED)
    clause = Clause(someone(chance), special("play", "spielen"), tense, direct=played)
    if tense is Tense.PRESENT and chance.happens(40):
        return Sentence(replace(clause, gladly=True))
    clause = replace(clause, time=time_for(chance, tense), time_first=chance.happens(40))
    return Sentence(replace(clause, place=scenes.place(chance)) if chance.happens(40) else clause)


def _two(chance: Chance) -> Sentence:
    """Two main clauses."""
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 3, Tense.PERFECT: 1, Tense.FUTURE: 1})
    first = event(chance, Wish(tense=tense, detail=Detail.SOME))
    if has_relative(first.direct):
        return Sentence(first)
    conjunction = chance.mixed(JOINING)
    return Sentence(first, joined=Joined(conjunction, following(chance, first, tense)))


def _two_in_a_row(chance: Chance) -> Sentence:
    """One subject that does two things: ``He opened the door and called the dog``.

    Those who tell it of themselves do so in the present, as the German perfect would be said once
    for both.
    """
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 3})
    subject = someone(chance, ("person",))
    if person_of(subject) < THIRD:
        tense = Tense.PRESENT
    frames = tuple(frame for frame in Frame if frame is not Frame.EXPERIENCE)
    wish = Wish(subject=subject, tense=tense, detail=Detail.NONE, plain=True, frames=frames)
    first, second = event(chance, wish), event(chance, replace(wish, plain=False))
    if first.verb is second.verb:
        return Sentence(first)
    joined = Joined(BUT if second.negated else AND, second, shares_subject=True)
    return Sentence(first, joined=joined)


def _question(chance: Chance) -> Sentence:
    """A question that is answered by yes or no."""
    tense = chance.mixed(_ASKED_TENSES)
    if chance.happens(25):
        return Sentence(state(chance), Mood.QUESTION)
    clause = event(chance, Wish(tense=tense, detail=Detail.SOME))
    return Sentence(_unrepeated(clause), Mood.QUESTION)


def _unrepeated(clause: Clause) -> Clause:
    return replace(clause, frequency=None)


def _question_word(chance: Chance) -> Sentence:
    """``Why``, ``when``, ``where`` and ``how often``."""
    tense = chance.mixed(_ASKED_TENSES)
    word = chance.mixed({_WHY: 5, _WHEN: 3, _WHERE: 4, _WHERE_TO: 3, _HOW_OFTEN: 2})
    frames = {
        _WHERE: (Frame.ACCUSATIVE, Frame.PLACE),
        _WHERE_TO: (Frame.GOAL,),
    }.get(word, tuple(Frame))
    plain = word is not _WHY
    detail = Detail.SOME if word is _WHY else Detail.NONE
    clause = event(chance, Wish(tense=tense, detail=detail, plain=plain, frames=frames))
    left_out = replace(
        clause,
        asking=word,
        place=None if word is _WHERE else clause.place,
        goal=None if word is _WHERE_TO else clause.goal,
    )
    return Sentence(_unrepeated(left_out), Mood.QUESTION)


def _question_about(chance: Chance) -> Sentence:
    """``Who``, ``whom``, ``what``, ``which`` and ``how many``."""
    tense = chance.mixed(_ASKED_TENSES)
    form = chance.mixed({"subject": 3, "object": 5, "which": 4})
    if form == "subject":
        wish = Wish(Asked(human=True), ("person",), tense=tense, detail=Detail.SOME, plain=True)
        return Sentence(_unrepeated(event(chance, wish)), Mood.QUESTION)
    wish = Wish(tense=tense, detail=Detail.SOME, plain=True, frames=WITH_ONE_OBJECT)
    clause = event(chance, wish)
    countable = tuple(noun for noun in nouns_of(clause.verb.objects) if noun.counted)
    human = "person" in clause.verb.objects
    takes_what = clause.verb.frame is Frame.ACCUSATIVE and not human
    if countable and (form == "which" or not (human or takes_what)):
        asked: Phrase = _which(chance, countable)
    else:
        asked = Asked(human=human)
    return Sentence(_unrepeated(replace(clause, direct=asked)), Mood.QUESTION)


def _which(chance: Chance, nouns: tuple[Noun, ...]) -> Entity:
    found = chance.weighted(nouns, [noun.weight for noun in nouns])
    many = chance.happens(35)
    return Entity(found, HOW_MANY if many else WHICH, many or chance.happens(20))


def _command(chance: Chance) -> Sentence:
    wish = Wish(
        subject=Personal(2), tense=Tense.PERFECT, detail=Detail.NONE, plain=True, frames=_COMMANDED
    )
    clause = event(chance, wish)
    while clause.verb.en.stative:
        clause = event(chance, wish)
    if chance.happens(60):
        clause = replace(clause, comment=_PLEASE)
    return Sentence(clause, Mood.COMMAND)


_MAKERS: dict[Maker, int] = {
    _statement: 22,
    _described: 17,
    dependents.connected: 22,
    _state: 6,
    _two: 8,
    _two_in_a_row: 5,
    dependents.reported: 6,
    _question: 5,
    _question_about: 5,
    _passive: 5,
    _question_word: 4,
    dependents.attempted: 4,
    dependents.wondered: 3,
    dependents.purposeful: 3,
    dependents.requested: 2,
    _command: 3,
    _existence: 2,
    _music: 1,
    _weather: 1,
}


def sentence(chance: Chance) -> Sentence:
    """A sentence of any sort."""
    made = chance.mixed(_MAKERS)(chance)
    main = made.main
    alone = not (made.before or made.after or made.joined) and made.mood is Mood.STATEMENT
    if alone and can_be_described(main.subject) and chance.happens(9):
        return replace(made, main=replace(main, subject=with_relative(chance, main.subject)))
    return made
