"""Scores a bundle on the test split of its corpus or on files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl_tf.bundle.bundle import Bundle
from automl_tf.config.settings import SplitFiles
from automl_tf.data.corpora import load_corpus, read_pair
from automl_tf.errors import Place, UserError
from automl_tf.scoring.scores import Evaluation, Scorer


@dataclass(frozen=True)
class EvaluationResult:
    """Translations with their scores.

    Attributes:
        evaluation: BLEU and chrF with intervals and signatures.
        hypotheses: The translations.
        num_split: Sentences that were translated in parts, because they are longer than what the
            model was trained on.
    """

    evaluation: Evaluation
    hypotheses: list[str]
    num_split: int


def evaluate_test(bundle: Bundle, cache_dir: Path) -> EvaluationResult:
    """Scores a bundle on the test split of its corpus.

    Args:
        bundle: The bundle.
        cache_dir: Folder of corpora that were read before.

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
    return evaluate_sentences(bundle, test.sources(), test.targets())


def evaluate_files(bundle: Bundle, source: Path, target: Path) -> EvaluationResult:
    """Scores a bundle on two line-aligned files.

    Args:
        bundle: The bundle.
        source: Sentences to translate.
        target: Their translations, line by line.

    Raises:
        UserError: If a file cannot be read or the two differ in length.
    """
    sources, references = read_pair(SplitFiles(source=source, target=target))
    return evaluate_sentences(bundle, sources, references)


def evaluate_sentences(
    bundle: Bundle, sources: Sequence[str], references: Sequence[str]
) -> EvaluationResult:
    """Translates with the bundle's own decoding settings and scores the detokenised text.

    Args:
        bundle: The bundle.
        sources: Sentences to translate.
        references: Their translations, as many.
    """
    translator = bundle.translator()
    hypotheses = translator.translate(sources)
    scorer = Scorer(references, bundle.config.corpus.target_lang)
    return EvaluationResult(scorer.evaluate(hypotheses), hypotheses, translator.num_split)
