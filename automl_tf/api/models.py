"""Trained models in Python: trained from an export, loaded from a bundle, asked to translate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl_tf.bundle.bundle import Bundle
from automl_tf.bundle.bundle import load as load_bundle
from automl_tf.config.files import Export, read_export
from automl_tf.errors import UserError
from automl_tf.home import home_directory
from automl_tf.release.evaluate import evaluate_sentences
from automl_tf.release.train import TrainHooks
from automl_tf.release.train import train as train_export
from automl_tf.scoring.scores import Evaluation
from automl_tf.tracking.client import configure_mlflow, tracking_uri
from automl_tf.training.events import Outcome, Validation, ignore, never


@dataclass(frozen=True)
class Model:
    """A trained model that translates.

    Attributes:
        bundle: Its weights, vocabulary and settings.
        path: Directory of the bundle.
        test: Scores on the test split, where `train` has just measured them.
    """

    bundle: Bundle
    path: Path
    test: Evaluation | None = None

    def translate(
        self,
        sentences: Sequence[str],
        beam_size: int | None = None,
        length_penalty: float | None = None,
    ) -> list[str]:
        """Returns a translation for each sentence.

        Args:
            sentences: Raw text.
            beam_size: Hypotheses of the beam search, as configured when not given.
            length_penalty: Its length penalty, as configured when not given.
        """
        return self.bundle.translate(sentences, beam_size, length_penalty)

    def evaluate(self, sources: Sequence[str], references: Sequence[str]) -> Evaluation:
        """Returns BLEU and chrF of the translations of some sentences, with intervals.

        Raises:
            ValueError: If there are not as many references as sources.
        """
        if len(sources) != len(references):
            raise ValueError(f"{len(sources)} sources have {len(references)} references")
        return evaluate_sentences(self.bundle, sources, references).evaluation


def load(path: Path | str) -> Model:
    """Returns the model of a bundle.

    Raises:
        UserError: If the directory holds no bundle, or a damaged one.
    """
    return Model(load_bundle(Path(path)), Path(path))


def train(
    export: Export | Path | str,
    output: Path | str | None = None,
    *,
    home: Path | str | None = None,
    tracking: str | None = None,
    quiet: bool = False,
) -> Model:
    """Trains an export to its end, scores it on the test split and writes its bundle.

    It resumes what an earlier call has begun, and takes over what a search has trained to its end.

    Args:
        export: The configuration, or the file of one.
        output: Directory of the bundle; by default in the home directory.
        home: Directory of everything that is written: `AUTOML_TF_HOME`, or ``runs``.
        tracking: URI of MLflow; `MLFLOW_TRACKING_URI`, or the home's own.
        quiet: Prints nothing.

    Raises:
        UserError: If the corpus or the directory does not serve, or if the training diverged.
        KeyboardInterrupt: If it was interrupted; it is saved.
    """
    configure_mlflow()
    read = export if isinstance(export, Export) else read_export(Path(export))
    home = home_directory(home)

    def tell(validation: Validation) -> None:
        if not quiet:
            print(f"step {validation.step}: BLEU {validation.scores.bleu:.2f}")  # noqa: T201

    hooks = TrainHooks(tell, ignore, never)
    uri = tracking_uri(tracking, home)
    trained = train_export(read, home, None if output is None else Path(output), uri, hooks)
    if trained.fitted.outcome is Outcome.PAUSED:
        raise KeyboardInterrupt(f"paused at step {trained.fitted.step}; call it again to resume")
    if trained.bundle is None:
        raise UserError(
            f"The training diverged by step {trained.fitted.step}.",
            "Lower training.learning_rate or raise training.warmup_steps.",
        )
    return Model(load_bundle(trained.bundle), trained.bundle, trained.test)
