"""Chooses a verb that suits its arguments and its tense."""

from functools import cache

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.features import is_plural, person_of
from automl_tf.data.grammar.meaning import (
    THIRD,
    Phrase,
    Tense,
)
from automl_tf.data.grammar.verbs import actions, dealings, moves
from automl_tf.data.grammar.words import Frame, Verb

_SHARES = (50, 28, 22)
"""Percentages of verbs with one object, of other verbs with objects, and of verbs without one."""


def looks_the_same(verb: Verb, tense: Tense) -> bool:
    """Whether only -s tells the present of the English verb from its past, as with ``read``."""
    return verb.en.past == verb.en.base and tense in {Tense.PRESENT, Tense.PAST}


def is_he_or_she(phrase: Phrase) -> bool:
    """Whether an English verb in the present takes -s with a phrase."""
    return person_of(phrase) == THIRD and not is_plural(phrase)


@cache
def _candidates(
    frames: tuple[Frame, ...], doers: tuple[str, ...], done_to: tuple[str, ...]
) -> tuple[tuple[Verb, ...], ...]:
    """The verbs of each of the three tables that suit; no kinds stand for any kinds."""
    return tuple(
        tuple(
            verb
            for verb in table
            if verb.frame in frames
            and (not doers or set(doers) & set(verb.subjects))
            and (not done_to or set(done_to) & set(verb.objects))
        )
        for table in (actions(), dealings(), moves())
    )


def can_happen(frames: tuple[Frame, ...], doers: tuple[str, ...], done_to: tuple[str, ...]) -> bool:
    """Whether any verb of the frames suits such arguments."""
    return any(_candidates(frames, doers, done_to))


def choose_verb(
    chance: Chance,
    frames: tuple[Frame, ...],
    doers: tuple[str, ...] = (),
    done_to: tuple[str, ...] = (),
) -> Verb:
    """A verb of one of the frames.

    Args:
        chance: Source of the choices.
        frames: What it may need.
        doers: Kinds of its subject, if that is settled.
        done_to: Kinds of its object, if that is settled.
    """
    tables = _candidates(frames, doers, done_to)
    table = chance.weighted(
        tables, [share if table else 0 for table, share in zip(tables, _SHARES, strict=True)]
    )
    return chance.weighted(table, [verb.weight for verb in table])
