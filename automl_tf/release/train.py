"""The full training of an export: weights, test scores, bundle, MLflow run, registered model."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_tf.bundle.bundle import Bundle
from automl_tf.config.files import Export
from automl_tf.config.settings import TrainerConfig, TrialConfig, given_settings
from automl_tf.config.writing import to_yaml
from automl_tf.data.corpora import corpus_fingerprint
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.errors import Place, UserError
from automl_tf.model.size import num_parameters
from automl_tf.release.evaluate import Evaluated, evaluate
from automl_tf.scoring.scores import Evaluation
from automl_tf.tracking.home import destination
from automl_tf.tracking.operations import RunState
from automl_tf.tracking.registry import register_bundle
from automl_tf.tracking.trial import TrainingRun
from automl_tf.training.attention_picture import ATTENTION, attention_picture
from automl_tf.training.checkpoints import LAST_CHECKPOINT
from automl_tf.training.fit import fit
from automl_tf.training.machine import check_devices
from automl_tf.training.samples import Samples
from automl_tf.training.watching import (
    Decision,
    FitResult,
    Observer,
    Outcome,
    Pause,
    Progress,
    Validation,
)
from automl_tf.training.weights import load_best

DELIVERY_SECONDS = 60
NUM_EXAMPLES = 4


@dataclass(frozen=True)
class Trained:
    """What a full training came to.

    Attributes:
        fitted: The training itself.
        bundle: Where the bundle is; None if the training was paused or diverged.
        test: Scores on the test split, where the corpus has one.
        model_version: Name and version of the registered model, if MLflow took it.
    """

    fitted: FitResult
    bundle: Path | None = None
    test: Evaluation | None = None
    model_version: str | None = None


@dataclass(frozen=True)
class Watching:
    """Who is told of a training while it runs, and who may pause it."""

    validated: Callable[[Validation], None]
    progress: Progress
    should_pause: Pause


def train(
    export: Export, home: Path, output: Path, tracking_uri: str | None, watching: Watching
) -> Trained:
    """Trains an export to its end, or goes on where an earlier call was interrupted.

    Args:
        export: The configuration with its provenance.
        home: The home directory.
        output: Where the bundle goes.
        tracking_uri: MLflow's server or store; the home's own when not given.
        watching: Who is told.

    Raises:
        UserError: If the corpus is not the one that the export was made with, or if there are
            fewer devices than asked for.
    """
    config = export.trial_config()
    check_devices(config.trainer.devices)
    check_corpus(export, home)
    data = prepare(config, home / "cache")
    run = _open_run(export, config, home, tracking_uri)
    try:
        return _Training(export, config, data, run).to_its_end(home, output, watching)
    finally:
        run.close(DELIVERY_SECONDS)


def check_corpus(export: Export, home: Path) -> None:
    """Refuses an export whose corpus has changed since.

    Raises:
        UserError: With both fingerprints.
    """
    expected = export.provenance.get("corpus_fingerprint")
    found = corpus_fingerprint(export.corpus, home / "cache")
    if expected is not None and expected != found:
        raise UserError(
            f"The corpus has changed since the export: its content was {expected[:12]} and is "
            f"{found[:12]}.",
            "Bring the old text back, search again, or delete provenance.corpus_fingerprint to "
            "train on the new text.",
            Place(key="provenance.corpus_fingerprint"),
        )


def study_name(export: Export) -> str:
    """The study that an export comes from, which is also its experiment in MLflow."""
    return str(export.provenance.get("study", "training"))


def training_name(export: Export) -> str:
    """A name that is the same for the same configuration, so that its training is found again.

    It may be found from another number of devices.
    """
    config = export.trial_config().model_copy(update={"trainer": TrainerConfig()})
    digest = hashlib.sha256(to_yaml(config).encode()).hexdigest()
    return f"{study_name(export)}-{digest[:8]}"


def _open_run(
    export: Export, config: TrialConfig, home: Path, tracking_uri: str | None
) -> TrainingRun:
    return TrainingRun.open(
        destination(home, study_name(export), tracking_uri),
        training_name(export),
        f"training · {config.model.shape}",
        given_settings(config),
        {
            "trial": str(export.provenance.get("trial", "")),
            "devices": str(config.trainer.devices),
        },
    )


@dataclass(frozen=True)
class _Training:
    """The steps of a full training, in their order."""

    export: Export
    config: TrialConfig
    data: PreparedData
    run: TrainingRun

    def to_its_end(self, home: Path, output: Path, watching: Watching) -> Trained:
        directory = home / "training" / training_name(self.export)
        self._begin()
        fitted = fit(
            self.config,
            self.data,
            directory,
            self._observer(watching),
            watching.progress,
            watching.should_pause,
        )
        if fitted.outcome is not Outcome.FINISHED or fitted.best is None:
            self._end_early(fitted)
            return Trained(fitted)
        bundle = Bundle(self.config, self.data.vocabulary, load_best(directory), self._card(fitted))
        tested = self._test(bundle)
        if tested is not None:
            card = {**bundle.card, "test": dataclasses.asdict(tested.evaluation)}
            bundle = dataclasses.replace(bundle, card=card)
        bundle.save(output)
        (directory / LAST_CHECKPOINT).unlink(missing_ok=True)
        version = self._register(bundle, output)
        self.run.finish(RunState.COMPLETE)
        return Trained(fitted, output, tested.evaluation if tested else None, version)

    def _begin(self) -> None:
        self.run.log_text(to_yaml(self.config), "config.yaml")
        self.run.log_metrics(0, {"num_parameters": float(self._size())})
        self.run.set_tags({"corpus": self.data.fingerprint, "filters": str(self.data.report)})
        corpus = self.config.corpus
        source = corpus.model_dump(mode="json")
        self.run.log_corpus(corpus.title, self.data.fingerprint, source, self.data.num_pairs)

    def _size(self) -> int:
        return num_parameters(
            self.config.model, self.data.vocabulary.sizes, self.config.data.longest_sequence
        )

    def _observer(self, watching: Watching) -> Observer:
        samples = Samples(self.data, self.config.corpus.target_lang)

        def observe(validation: Validation) -> Decision:
            self.run.log_curve([(point.step, point.metrics()) for point in validation.curve])
            self.run.log_metrics(validation.step, validation.metrics())
            self.run.log_samples(validation.step, samples.rows(validation))
            if validation.attention:
                self.run.log_text(attention_picture(validation), ATTENTION)
            watching.validated(validation)
            return Decision.CONTINUE

        return observe

    def _end_early(self, fitted: FitResult) -> None:
        if fitted.outcome is Outcome.PAUSED:
            self.run.finish(RunState.PAUSED, f"paused at step {fitted.step}")
        else:
            self.run.finish(RunState.FAILED, f"diverged by step {fitted.step}")

    def _card(self, fitted: FitResult) -> dict[str, Any]:
        assert fitted.best is not None
        return {
            "source_lang": self.config.corpus.source_lang,
            "target_lang": self.config.corpus.target_lang,
            "num_parameters": self._size(),
            "corpus_fingerprint": self.data.fingerprint,
            "provenance": self.export.provenance,
            "validation": {
                "step": fitted.best_step,
                "bleu": fitted.best.bleu,
                "chrf": fitted.best.chrf,
            },
        }

    def _test(self, bundle: Bundle) -> Evaluated | None:
        test = self.data.load_test()
        if test is None:
            return None
        tested = evaluate(
            bundle, test.source_text, test.target_text, self.config.corpus.target_lang
        )
        scores = tested.evaluation.scores
        self.run.log_metrics(0, {"test_bleu": scores.bleu, "test_chrf": scores.chrf})
        self.run.set_tags({"bleu_signature": tested.evaluation.bleu_signature})
        self.run.log_text("\n".join([*tested.hypotheses, ""]), "test_hypotheses.txt")
        return tested

    def _register(self, bundle: Bundle, output: Path) -> str | None:
        examples = self.data.validation.source_text[:NUM_EXAMPLES]
        name = study_name(self.export)
        version = register_bundle(self.run, output, name, examples, bundle.translate(examples))
        return None if version is None else f"{name} version {version}"
