"""Scores a bundle on the test split of its corpus or on files."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from automl_tf.bundle.bundle import Bundle
from automl_tf.config.settings import ScoringConfig, SplitFiles, Tokenizer
from automl_tf.data.corpora import load_corpus, read_pair
from automl_tf.errors import Place, UserError
from automl_tf.scoring.remarks import remarks
from automl_tf.scoring.scores import Evaluation, Scorer
from automl_tf.scoring.tokenizers import check_tokenizer, tokenizer_of


@dataclass(frozen=True)
class EvaluationResult:
    """Translations with their scores.

    Attributes:
        evaluation: BLEU and chrF with intervals and signatures.
        hypotheses: The translations.
        num_split: Sentences that were translated in parts, because they are longer than what the
            model was trained on.
        remarks: What makes BLEU say little on these references.
    """

    evaluation: Evaluation
    hypotheses: list[str]
    num_split: int
    remarks: list[str]


def with_tokenizer_named(bundle: Bundle, name: str) -> Bundle:
    """Returns a bundle that is scored with another tokenizer.

    Raises:
        UserError: If there is no such tokenizer.
    """
    place = Place(key="--tokenize")
    try:
        scoring = ScoringConfig.model_validate({"tokenize": name})
    except ValidationError:
        known = ", ".join(get_args(Tokenizer))
        raise UserError(f"There is no tokenizer {name}.", f"Use one of {known}.", place) from None
    config = bundle.config.model_copy(update={"scoring": scoring})
    return dataclasses.replace(bundle, config=config)


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
    target_lang, tokenizer = bundle.config.corpus.target_lang, tokenizer_of(bundle.config)
    check_tokenizer(tokenizer, Place(key="scoring.tokenize"))
    translator = bundle.translator()
    hypotheses = translator.translate(sources)
    return EvaluationResult(
        Scorer(references, target_lang, tokenizer).evaluate(hypotheses),
        hypotheses,
        translator.num_split,
        remarks(references, tokenizer, target_lang),
    )
