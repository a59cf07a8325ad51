"""Scores of a bundle on a split or on files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl_tf.bundle.bundle import Bundle
from automl_tf.config.corpus import SplitFiles
from automl_tf.data.corpora import load_corpus, read_pair
from automl_tf.errors import Place, UserError
from automl_tf.scoring.scores import Evaluation, Scorer


@dataclass(frozen=True)
class Evaluated:
    """Translations with their scores.

    Attributes:
        evaluation: BLEU and chrF with intervals and signatures.
        hypotheses: The translations.
    """

    evaluation: Evaluation
    hypotheses: list[str]


def evaluate(
    bundle: Bundle, sources: Sequence[str], references: Sequence[str], target_lang: str
) -> Evaluated:
    """Translates with the bundle's own decoding settings and scores the detokenised text."""
    hypotheses = bundle.translate(sources)
    return Evaluated(Scorer(references, target_lang).evaluate(hypotheses), hypotheses)


def evaluate_test(bundle: Bundle, cache_dir: Path) -> Evaluated:
    """Scores a bundle on the test split of its corpus.

    Raises:
        UserError: If the corpus has no test split, or is not there.
    """
    test = load_corpus(bundle.config.corpus, cache_dir).test
    if test is None:
        raise UserError(
            "The bundle's corpus has no test split.",
            "Give --source and --target.",
            Place(key="corpus.test"),
        )
    target_lang = bundle.config.corpus.target_lang
    return evaluate(bundle, list(test["source"]), list(test["target"]), target_lang)


def evaluate_files(bundle: Bundle, source: Path, target: Path) -> Evaluated:
    """Scores a bundle on two line-aligned files.

    Raises:
        UserError: If a file cannot be read or the two differ in length.
    """
    sources, references = read_pair(SplitFiles(source=source, target=target))
    return evaluate(bundle, sources, references, bundle.config.corpus.target_lang)
