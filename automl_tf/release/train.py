"""Trains an export in full: weights, test scores, bundle, MLflow run, registered model."""

import dataclasses
import functools
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from automl_tf.bundle.bundle import Bundle, is_free, read_card
from automl_tf.bundle.text_translator import TextTranslator
from automl_tf.config.files import Export
from automl_tf.config.settings import TrialConfig, given_settings
from automl_tf.data.cache import digest
from automl_tf.data.corpora import corpus_fingerprint
from automl_tf.data.pipes import keep_pipes
from automl_tf.data.prepare import PreparationPausedError, PreparedData, prepare
from automl_tf.decoding.constraints import LengthBound
from automl_tf.decoding.translator import REQUIREMENTS
from automl_tf.device import Precision, check_devices, resolve_precision
from automl_tf.errors import Place, UserError, first_line
from automl_tf.home import HomeDirectory, create_directory, unwritable
from automl_tf.model.size import num_parameters
from automl_tf.run_logging import TrainingLogger
from automl_tf.scoring.remarks import remarks
from automl_tf.scoring.scores import Evaluation, Scorer, Scores
from automl_tf.scoring.sentences import paired_bootstrap
from automl_tf.scoring.tokenizers import check_tokenizer, tokenizer_of, with_tokenizer
from automl_tf.signals import INTERRUPTS_TO_ABORT, stop_on_signals
from automl_tf.tracking.client import RunKey, TrackingTarget
from automl_tf.tracking.outbox import RunState
from automl_tf.tracking.promotion import TEST_HYPOTHESES, promote
from automl_tf.tracking.registry import DELIVERY_SECONDS, register_bundle
from automl_tf.tracking.runs import RootRun
from automl_tf.training.checkpoints import TrainingDirectory, TrainingIdentity, load_best
from automl_tf.training.events import Decision, FitResult, Outcome, Pause, Progress, Validation
from automl_tf.training.fit import fit

NUM_EXAMPLES = 4


@dataclass(frozen=True)
class TrainResult:
    """The result of a full training.

    Attributes:
        fitted: The training itself.
        bundle: Where the bundle is; None if the training was paused or diverged.
        test: Scores on the test split, where the corpus has one.
        model_version: Name and version of the registered model, if MLflow took it.
        is_repeat: Whether an earlier call had finished the training, so that nothing was done.
        num_split: Sentences of the test split that were translated in parts, because they are
            longer than what the model was trained on.
    """

    fitted: FitResult
    bundle: Path | None = None
    test: Evaluation | None = None
    model_version: str | None = None
    is_repeat: bool = False
    num_split: int = 0


@dataclass(frozen=True)
class TrainHooks:
    """The caller's side of a full training.

    Attributes:
        validated: Called after each validation.
        progress: Called several times between two validations.
        should_pause: Asked whether to save and end.
        remark: Told what makes BLEU say little on the corpus.
    """

    validated: Callable[[Validation], None]
    progress: Progress
    should_pause: Pause
    remark: Callable[[str], None] = lambda _: None


def train(
    export: Export, home: Path, output: Path | None, tracking_uri: str | None, hooks: TrainHooks
) -> TrainResult:
    """Trains an export to its end, or resumes where an earlier call was interrupted.

    A training that is finished, with its bundle in place, is not repeated. Where the trial that
    was exported is this very training, and its weights are in this home, they are what is released.

    Args:
        export: The configuration with its provenance.
        home: The home directory.
        output: Directory of the bundle; by default in the home directory, by study and digest.
        tracking_uri: MLflow's server or store; the home's own when not given.
        hooks: The caller's side.

    Raises:
        UserError: If the corpus is not the one that the export was made with, if the directory of
            the bundle is taken or cannot be written, if another process trains the same
            configuration, or if there are fewer devices than asked for.
    """
    corpus = keep_pipes(export.corpus, HomeDirectory(home).cache)
    export = export.model_copy(update={"corpus": corpus})
    config = with_tokenizer(export.trial_config())
    check_tokenizer(tokenizer_of(config), Place(key="scoring.tokenize"))
    check_devices(config.trainer.devices)
    identity = TrainingIdentity.of(config, _corpus_fingerprint(export, home))
    label = f"{_study(export)}-{identity.digest[:8]}"
    output = output or HomeDirectory(home).bundle(label)
    directory = TrainingDirectory(HomeDirectory(home).training(label))
    with _only_here(directory.path):
        if _holds_bundle(output, identity) and not directory.is_begun:
            return _finished_before(output)
        trial = finished_trial(export, home)
        if trial is not None and not directory.is_begun:
            directory.adopt(trial)
        try:
            data = prepare(config, HomeDirectory(home).cache, hooks.should_pause)
        except (PreparationPausedError, KeyboardInterrupt):
            return TrainResult(FitResult(Outcome.PAUSED, 0, None, None, None, 0.0))
        with _mlflow_run(export, config, home, tracking_uri, label) as run:
            precision = resolve_precision(config.training.precision, HomeDirectory(home).cache)
            training = _Training(export, config, data, run, hooks, precision)
            return training.complete(directory, output)


def finished_trial(export: Export, home: Path) -> TrainingDirectory | None:
    """Returns where a search has trained an export to its end; None if none has in this home.

    Args:
        export: The configuration with its provenance.
        home: The home directory.
    """
    origin = export.provenance
    if not origin.keys() >= {"study", "study_id", "trial", "corpus_fingerprint"}:
        return None
    path = HomeDirectory(home).trial(origin["study"], origin["study_id"], int(origin["trial"]))
    directory = TrainingDirectory(path)
    config = with_tokenizer(export.trial_config())
    identity = TrainingIdentity.of(config, origin["corpus_fingerprint"])
    return None if directory.result(identity) is None else directory


def _corpus_fingerprint(export: Export, home: Path) -> str:
    """Returns the fingerprint of the export's corpus, which must not have changed since."""
    expected = export.provenance.get("corpus_fingerprint")
    found = corpus_fingerprint(export.corpus, HomeDirectory(home).cache)
    if expected is not None and expected != found:
        raise UserError(
            f"The corpus has changed since the export: its fingerprint was {str(expected)[:12]} "
            f"and is {found[:12]}.",
            "Bring the old text back, search again, or delete provenance.corpus_fingerprint to "
            "train on the new text.",
            Place(key="provenance.corpus_fingerprint"),
        )
    return found


def _study(export: Export) -> str:
    """Returns the study that an export comes from, which is also its experiment in MLflow."""
    return export.provenance.get("study", "training")


@contextmanager
def _only_here(directory: Path) -> Iterator[None]:
    """Keeps other processes from training in a directory; a killed process keeps nobody out."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"Another process trains this configuration, in {directory}.",
            "Wait until it ends, or change the configuration.",
        ) from None
    except OSError as error:
        raise unwritable(directory, error, "--home") from None
    try:
        yield
    finally:
        lock.release()


def _holds_bundle(output: Path, identity: TrainingIdentity) -> bool:
    """Returns whether a directory, which is created, holds the bundle of a training already."""
    create_directory(output, "--output")
    if is_free(output):
        return False
    config, card = read_card(output)
    found = TrainingIdentity.of(config, str(card.get("corpus_fingerprint")))
    if (difference := identity.first_difference(found.settings)) is not None:
        name, mine, others = difference
        raise UserError(
            f"{output} holds the bundle of another training: {name} is {others} there and {mine} "
            "here.",
            "Name another directory with -o.",
            Place(key="--output"),
        )
    return True


def _finished_before(output: Path) -> TrainResult:
    """Returns the result of the training whose bundle is in a directory."""
    _, card = read_card(output)
    try:
        validation, test = card["validation"], card.get("test")
        best, best_step = Scores(validation["bleu"], validation["chrf"]), validation["step"]
        steps, seconds = card.get("steps", best_step), card.get("seconds", 0.0)
        fitted = FitResult(Outcome.FINISHED, steps, best_step, best, None, seconds)
        tested = test and Evaluation(**{**test, "scores": Scores(**test["scores"])})
    except (KeyError, TypeError) as error:
        raise UserError(
            f"The bundle {output} is damaged: its card lacks {error}.",
            "Name another directory with -o, or delete this one.",
            Place(output),
        ) from None
    return TrainResult(fitted, output, tested, is_repeat=True)


@contextmanager
def _mlflow_run(
    export: Export, config: TrialConfig, home: Path, tracking_uri: str | None, label: str
) -> Iterator[RootRun]:
    """Opens the run of a training, and says in it how the training ended if it raises."""
    # An export that was written by hand belongs to no study: its run has an identifier of its own.
    study_id = export.provenance.get("study_id") or str(uuid.uuid5(uuid.NAMESPACE_OID, label))
    target = TrackingTarget.of_training(home, _study(export), study_id, label, tracking_uri)
    run = RootRun(target, RunKey("training", label))
    trial = str(export.provenance.get("trial", ""))
    tags = {"trial": trial, "devices": str(config.trainer.devices)}
    run.start(f"training · {config.model.shape}", given_settings(config), tags)
    try:
        yield run
    except (KeyboardInterrupt, SystemExit):  # the second is what Lightning makes of the first
        run.finish(RunState.PAUSED, "interrupted")
        run.hurry()
        raise
    except BaseException as error:
        run.finish(RunState.FAILED, f"{type(error).__name__}: {first_line(error)}")
        raise
    finally:
        run.close(DELIVERY_SECONDS)


@dataclass(frozen=True)
class _Training:
    """The steps of a full training, in their order."""

    export: Export
    config: TrialConfig
    data: PreparedData
    run: RootRun
    hooks: TrainHooks
    precision: Precision

    def complete(self, directory: TrainingDirectory, output: Path) -> TrainResult:
        logger = TrainingLogger(self.run, self.config, self.data)
        logger.begin({"num_parameters": float(self._size())}, self.precision)
        target_lang, tokenizer = self.config.corpus.target_lang, tokenizer_of(self.config)
        for remark in remarks(self.data.validation.target_text, tokenizer, target_lang):
            self.hooks.remark(remark)

        validated: list[int] = []

        def observe(validation: Validation) -> Decision:
            validated.append(validation.step)
            logger.validated(validation)
            self.hooks.validated(validation)
            return Decision.CONTINUE

        # A training saves itself between two steps. What follows it is done again as a whole.
        with stop_on_signals(INTERRUPTS_TO_ABORT) as stop:
            callbacks = (
                observe,
                self.hooks.progress,
                lambda: stop.is_set() or self.hooks.should_pause(),
            )
            fitted = fit(
                self.config, self.data, directory.path, *callbacks, precision=self.precision
            )
        if fitted.outcome is not Outcome.FINISHED or fitted.best is None:
            return self._ended_early(fitted)
        if not validated:  # by this call: the search or an earlier call has done all the steps
            assert fitted.best_step is not None, "it is kept with the best scores"
            scores = {"val_bleu": fitted.best.bleu, "val_chrf": fitted.best.chrf}
            self.run.log_metrics(fitted.best_step, scores)
        paused = dataclasses.replace(fitted, outcome=Outcome.PAUSED)
        if stop.is_set():
            return self._ended_early(paused)
        try:
            return self._release(fitted, directory, output)
        except KeyboardInterrupt:
            return self._ended_early(paused)

    def _release(
        self, fitted: FitResult, directory: TrainingDirectory, output: Path
    ) -> TrainResult:
        """Tests the trained model, writes the bundle and registers it."""
        weights = load_best(directory.path)
        bundle = Bundle(self.config, self.data.vocabulary, weights, self._card(fitted))
        translator = bundle.translator()
        test, tested, num_split = self.data.load_test(), None, 0
        standing = None
        if test is not None:
            hypotheses = self._translate(translator, test.source_text)
            if hypotheses is None:
                return self._ended_early(dataclasses.replace(fitted, outcome=Outcome.PAUSED))
            num_split = translator.num_split
            tokenizer = tokenizer_of(self.config)
            scorer = Scorer(test.target_text, self.config.corpus.target_lang, tokenizer)
            tested = scorer.evaluate(hypotheses)
            scores = {"test_bleu": tested.scores.bleu, "test_chrf": tested.scores.chrf}
            self.run.log_metrics(0, scores)
            self.run.set_tags({"bleu_signature": tested.bleu_signature})
            self.run.log_text("\n".join([*hypotheses, ""]), TEST_HYPOTHESES)
            card = {**bundle.card, "test": dataclasses.asdict(tested)}
            bundle = dataclasses.replace(bundle, card=card)
            split = digest([test.source_text, test.target_text, tokenizer])
            standing = split, scores, functools.partial(_is_better, scorer, hypotheses)
        bundle.save(output)
        examples, name = self.data.validation.source_text[:NUM_EXAMPLES], _study(self.export)
        version = register_bundle(
            self.run,
            output,
            name,
            examples,
            translator.translate(examples),
            REQUIREMENTS[self.config.decoding.engine],
        )
        if version is not None and standing is not None:
            promote(self.run, name, version, *standing)
        self.run.finish(RunState.COMPLETE)
        # Until here, a training that is killed does what follows the last step once more.
        directory.release()
        registered = None if version is None else f"{name} version {version}"
        return TrainResult(fitted, output, tested, registered, num_split=num_split)

    def _size(self) -> int:
        return num_parameters(
            self.config.model, self.data.vocabulary.sizes, self.config.data.longest_sequence
        )

    def _ended_early(self, fitted: FitResult) -> TrainResult:
        if fitted.outcome is Outcome.PAUSED:
            self.run.finish(RunState.PAUSED, f"paused at step {fitted.step}")
            self.run.hurry()
        else:
            self.run.finish(RunState.FAILED, f"diverged by step {fitted.step}")
        return TrainResult(fitted)

    def _card(self, fitted: FitResult) -> Mapping[str, Any]:
        assert fitted.best is not None
        return {
            "source_lang": self.config.corpus.source_lang,
            "target_lang": self.config.corpus.target_lang,
            "num_parameters": self._size(),
            "corpus_fingerprint": self.data.fingerprint,
            "length_bound": dataclasses.asdict(LengthBound.of_corpus(self.data.length_ratio)),
            "provenance": self.export.provenance,
            "steps": fitted.step,
            "seconds": fitted.seconds,
            "validation": {"step": fitted.best_step, **dataclasses.asdict(fitted.best)},
        }

    def _translate(self, translator: TextTranslator, sources: list[str]) -> list[str] | None:
        """Translates the test split; None if the training should pause."""
        translations = dict.fromkeys(range(len(sources)), "")
        for batch in translator.translate_batches(sources):
            translations.update(batch)
            if self.hooks.should_pause():
                return None
        return [translations[index] for index in range(len(sources))]


def _is_better(scorer: Scorer, ours: list[str], theirs: list[str]) -> bool:
    """Whether translations are better than others beyond what the choice of sentences explains."""
    return paired_bootstrap(scorer.sentences(ours), scorer.sentences(theirs)).low > 0
