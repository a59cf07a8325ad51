"""The built-in corpus: English sentences with their German translations.

It is made from a grammar of both languages, so that it is there without a network and the same
everywhere. Gender, case and agreement, the places of the German verb, separable verbs, compounds
and pronouns make it as hard as it needs to be for the settings of a model to matter.
"""

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.english import english
from automl_tf.data.grammar.german import german
from automl_tf.data.grammar.invention import sentence

Pair = tuple[str, str]

_FEWEST_WORDS, _MOST_WORDS = 4, 30


def generate(
    train_pairs: int, validation_pairs: int, test_pairs: int, seed: int
) -> dict[str, list[Pair]]:
    """The splits of the corpus.

    No source and no target occurs twice, within a split or in two. The validation and the test
    split come first out of the generator, so that they stay the same when only the size of the
    training split changes.

    Args:
        train_pairs: Pairs to train on.
        validation_pairs: Pairs to validate on.
        test_pairs: Pairs to test on.
        seed: Seed; another one makes another corpus.

    Returns:
        Lists of English sentences with their German translations, by the names ``train``,
        ``validation`` and ``test``.
    """
    chance = Chance(seed)
    seen: set[str] = set()
    validation = _distinct(chance, validation_pairs, seen)
    test = _distinct(chance, test_pairs, seen)
    return {
        "train": _distinct(chance, train_pairs, seen),
        "validation": validation,
        "test": test,
    }


def pair(chance: Chance) -> Pair:
    """One English sentence and its German translation."""
    meaning = sentence(chance)
    return english(meaning), german(meaning)


def _distinct(chance: Chance, count: int, seen: set[str]) -> list[Pair]:
    """That many pairs of which neither side has been seen."""
    pairs: list[Pair] = []
    while len(pairs) < count:
        source, target = pair(chance)
        fits = _FEWEST_WORDS <= len(source.split()) <= _MOST_WORDS
        if fits and source not in seen and target not in seen:
            seen.update((source, target))
            pairs.append((source, target))
    return pairs
