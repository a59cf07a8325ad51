"""Makes up sentences with a subordinate clause or an infinitive."""

from dataclasses import replace

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.circumstances import Detail
from automl_tf.data.grammar.events import Wish, event, overlap
from automl_tf.data.grammar.function_words import MODALS
from automl_tf.data.grammar.ideas import PERSON, kinds_of, name, someone, thing
from automl_tf.data.grammar.meaning import (
    Clause,
    Infinitive,
    Sentence,
    Subordinate,
    Tense,
)
from automl_tf.data.grammar.pronouns import pronoun
from automl_tf.data.grammar.reference import following
from automl_tf.data.grammar.states import state, weather
from automl_tf.data.grammar.verbs import special
from automl_tf.data.grammar.words import Frame

_MAIN_TENSES = {Tense.PAST: 50, Tense.PRESENT: 30, Tense.PERFECT: 10, Tense.FUTURE: 10}
_ACTIVE = tuple(frame for frame in Frame if frame is not Frame.EXPERIENCE)
_NOW_AND_LATER = (Tense.PRESENT, Tense.FUTURE)
_THEN_AND_NOW = (Tense.PAST, Tense.PRESENT)

# English, German, tenses of the main clause.
_CONNECTIONS = {
    ("because", "weil", tuple(_MAIN_TENSES)): 30,
    ("although", "obwohl", tuple(_MAIN_TENSES)): 16,
    ("when", "als", (Tense.PAST,)): 14,
    ("when", "wenn", _NOW_AND_LATER): 7,
    ("if", "wenn", _NOW_AND_LATER): 12,
    ("before", "bevor", (Tense.PAST, *_NOW_AND_LATER)): 8,
    ("after", "nachdem", _THEN_AND_NOW): 9,
    ("while", "während", _THEN_AND_NOW): 6,
    ("as soon as", "sobald", _NOW_AND_LATER): 4,
    ("until", "bis", (Tense.PAST, *_NOW_AND_LATER)): 3,
    ("so that", "damit", _THEN_AND_NOW): 5,
}
_OF_STATES = ("because", "although", "if")
_NEVER_FIRST = ("so that", "until")
_EARLIER = {Tense.PAST: Tense.PLUPERFECT, Tense.PRESENT: Tense.PERFECT}
_CAN = next(iter(MODALS))
_REPORTING = {
    ("say", "sagen"): 6,
    ("think", "denken"): 5,
    ("know", "wissen"): 5,
    ("believe", "glauben"): 4,
    ("hope", "hoffen"): 3,
    ("hear", "hören"): 3,
    ("notice", "bemerken"): 2,
    ("claim", "behaupten"): 2,
    ("fear", "fürchten"): 2,
}
_REPORTED = {
    Tense.PAST: {Tense.PAST: 6, Tense.PLUPERFECT: 4},
    Tense.PRESENT: {Tense.PRESENT: 4, Tense.PERFECT: 2, Tense.PAST: 2, Tense.FUTURE: 2},
}
_WONDERING = {("ask", "fragen"): 3, ("wonder", "fragen"): 2, ("know", "wissen"): 2}
_QUESTION_WORDS = {
    ("whether", "ob"): 8,
    ("why", "warum"): 4,
    ("where", "wo"): 3,
    ("when", "wann"): 2,
}
_TRYING = {
    ("try", "versuchen"): 6,
    ("forget", "vergessen"): 4,
    ("begin", "beginnen"): 3,
    ("decide", "beschließen"): 3,
    ("promise", "versprechen"): 3,
    ("refuse", "weigern"): 2,
    ("hope", "hoffen"): 2,
}
_PURPOSES = {("in order to", "um"): 6, ("without", "ohne"): 4, ("instead of", "anstatt"): 2}


def connected(chance: Chance) -> Sentence:
    """Two clauses with a conjunction, the subordinate one first or second.

    Whichever comes first names those whom the other one takes up by pronouns.
    """
    english, german, tenses = chance.mixed(_CONNECTIONS)
    main_tense = chance.mixed({t: share for t, share in _MAIN_TENSES.items() if t in tenses})
    tense = _subordinate_tense(english, main_tense)
    happening = english not in _OF_STATES
    if english not in _NEVER_FIRST and chance.happens(45):
        before = _opening(chance, tense, happening=happening)
        main = following(chance, before, main_tense, happening=happening)
        return Sentence(main, before=Subordinate(english, german, before))
    main = _opening(chance, main_tense, happening=happening)
    after = following(chance, main, tense, happening=happening)
    if english == "so that":
        after = _enabled(chance, main_tense)
    return Sentence(main, after=Subordinate(english, german, after))


def _subordinate_tense(conjunction: str, main: Tense) -> Tense:
    if conjunction == "after":
        return _EARLIER[main]
    if conjunction in {"because", "although"}:
        return {Tense.FUTURE: Tense.PRESENT, Tense.PERFECT: Tense.PRESENT}.get(main, main)
    return Tense.PRESENT if main is Tense.FUTURE else main


def _opening(chance: Chance, tense: Tense, *, happening: bool) -> Clause:
    form = chance.mixed({"event": 86, "state": 10, "weather": 4})
    if form == "weather":
        return weather(chance, tense)
    if form == "state" and not happening:
        return state(chance, tense=tense)
    return event(chance, Wish(tense=tense, detail=Detail.SOME, plain=happening))


def _enabled(chance: Chance, tense: Tense) -> Clause:
    """``so that she can read it``."""
    wish = Wish(tense=tense, detail=Detail.NONE, plain=True, frames=_ACTIVE)
    return replace(event(chance, wish), modal=_CAN)


def reported(chance: Chance) -> Sentence:
    """``She says that he is ill``."""
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 5})
    verb = special(*chance.mixed(_REPORTING))
    said = _content(chance, chance.mixed(_REPORTED[tense]))
    main = Clause(someone(chance), verb, tense, content=Subordinate("that", "dass", said))
    return Sentence(main)


def _content(chance: Chance, tense: Tense) -> Clause:
    if chance.happens(25):
        return state(chance, tense=tense)
    return event(chance, Wish(tense=tense, detail=Detail.SOME))


def wondered(chance: Chance) -> Sentence:
    """``He asks whether she is coming``, ``He does not know where she lives``."""
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 5})
    english, german = chance.mixed(_WONDERING)
    word = chance.mixed(_QUESTION_WORDS)
    asked = _asked(chance, word[0], chance.mixed(_REPORTED[tense]))
    main = Clause(
        someone(chance),
        special(english, german),
        tense,
        negated=english == "know",
        content=Subordinate(*word, asked),
    )
    return Sentence(main)


def _asked(chance: Chance, word: str, tense: Tense) -> Clause:
    """The clause behind a question word; it leaves out what is asked for."""
    if word == "where":
        frames = (Frame.ACCUSATIVE, Frame.PLACE)
        clause = event(chance, Wish(tense=tense, detail=Detail.NONE, frames=frames))
        return replace(clause, place=None)
    detail = Detail.NONE if word == "when" else Detail.SOME
    return event(chance, Wish(tense=tense, detail=detail))


def attempted(chance: Chance) -> Sentence:
    """``She tried to open the door``."""
    subject = someone(chance)
    tense = chance.mixed({Tense.PAST: 5, Tense.PRESENT: 3, Tense.PERFECT: 2})
    clause = Clause(subject, special(*chance.mixed(_TRYING)), tense)
    return Sentence(replace(clause, content=Infinitive("to", "", _act(chance, clause))))


def requested(chance: Chance) -> Sentence:
    """``He asked the girl to close the window``."""
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 3, Tense.PERFECT: 2})
    asked = name(chance) if chance.happens(30) else thing(chance, PERSON)
    subject = someone(chance)
    if overlap(subject, asked):
        subject = pronoun(chance)
    clause = Clause(subject, special("ask", "bitten"), tense, direct=asked)
    act = _act(chance, replace(clause, subject=asked))
    return Sentence(replace(clause, content=Infinitive("to", "", act)))


def _act(chance: Chance, main: Clause) -> Clause:
    """What somebody does, as an infinitive."""
    return event(
        chance,
        Wish(
            subject=main.subject,
            doers=kinds_of(main.subject),
            tense=Tense.PERFECT,
            detail=Detail.NONE,
            plain=True,
            frames=_ACTIVE,
        ),
    )


def purposeful(chance: Chance) -> Sentence:
    """``She went into the garden in order to call the dog``."""
    tense = chance.mixed({Tense.PAST: 6, Tense.PRESENT: 3, Tense.FUTURE: 2})
    main = event(
        chance,
        Wish(subject=someone(chance), tense=tense, detail=Detail.SOME, plain=True, frames=_ACTIVE),
    )
    return Sentence(main, after=Infinitive(*chance.mixed(_PURPOSES), _act(chance, main)))
