"""The sample corpus: English sentences with their German translations, made from a grammar.

It needs no network and is the same everywhere. Gender, case and agreement, the places of the German
verb, separable verbs, compounds, numbers and pronouns make it hard enough for the size, the depth,
the dropout and the learning rate of a model to matter (``benchmarks/sample_corpus.py``).
"""

from automl_tf.data.sample.sentences import Pair, Sentences

_FEWEST_WORDS, _MOST_WORDS = 4, 30


def generate(
    train_pairs: int, validation_pairs: int, test_pairs: int, seed: int
) -> dict[str, list[Pair]]:
    """The splits of the corpus.

    No source and no target occurs twice, within a split or in two. The validation and the test
    split are made first, so that they do not depend on the size of the training split.

    Args:
        train_pairs: Pairs to train on.
        validation_pairs: Pairs to validate on.
        test_pairs: Pairs to test on.
        seed: Seed; another one makes another corpus.

    Returns:
        Lists of English sentences with their German translations, by the names ``train``,
        ``validation`` and ``test``.
    """
    sentences = Sentences(seed)
    seen: set[str] = set()
    validation = _distinct(sentences, validation_pairs, seen)
    test = _distinct(sentences, test_pairs, seen)
    train = _distinct(sentences, train_pairs, seen)
    return {"train": train, "validation": validation, "test": test}


def _distinct(sentences: Sentences, count: int, seen: set[str]) -> list[Pair]:
    """That many pairs of which neither side has been seen."""
    pairs: list[Pair] = []
    while len(pairs) < count:
        source, target = sentences.pair()
        fits = _FEWEST_WORDS <= len(source.split()) <= _MOST_WORDS
        if fits and source not in seen and target not in seen:
            seen.update((source, target))
            pairs.append((source, target))
    return pairs
