"""The Lightning callback: reports validations, keeps weights and checkpoints, ends a training."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import Batch
from automl_tf.device import PeakMemory, machine_load
from automl_tf.scoring.scores import Scores
from automl_tf.scoring.sentences import Merit, SentenceStatistics
from automl_tf.training.checkpoints import (
    TrainingDirectory,
    TrainingIdentity,
    average_weights,
    save_weights,
)
from automl_tf.training.distributed import ProcessGroup
from automl_tf.training.events import (
    CurvePoint,
    Decision,
    FitResult,
    Outcome,
    TrainingHooks,
    Validation,
)
from automl_tf.training.module import TranslationModule
from automl_tf.training.schedule import learning_rate_factor

POINTS_PER_VALIDATION = 10


@dataclass(frozen=True)
class BestValidation:
    """The best validation so far.

    Attributes:
        step: Optimizer steps done.
        scores: BLEU and chrF.
        sentences: Statistics of the sentences, from which BLEU is computed.
    """

    step: int
    scores: Scores
    sentences: SentenceStatistics

    @property
    def merit(self) -> Merit:
        """Its rank among validations."""
        return Merit(len(self.sentences), self.scores.bleu)

    def state_dict(self) -> dict[str, Any]:
        """Returns the values that a checkpoint keeps."""
        return {
            "step": self.step,
            "scores": (self.scores.bleu, self.scores.chrf),
            "sentences": self.sentences.to_text(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "BestValidation":
        """Restores what ``state_dict`` returned."""
        sentences = SentenceStatistics.from_text(state["sentences"])
        return cls(state["step"], Scores(*state["scores"]), sentences)


class TrainingCallback(Callback):
    """Lightning callback that reports to the caller and carries its decisions out.

    Args:
        config: The configuration that is trained.
        identity: The mark of its checkpoints.
        directory: Where weights and checkpoints are kept.
        processes: The processes that train together; rank zero writes.
        hooks: The caller's side.
    """

    def __init__(
        self,
        config: TrialConfig,
        identity: TrainingIdentity,
        directory: TrainingDirectory,
        processes: ProcessGroup,
        hooks: TrainingHooks,
    ) -> None:
        self.outcome = Outcome.FINISHED
        self._config = config.training
        self._identity = identity
        self._directory = directory
        self._processes = processes
        self._hooks = hooks
        self._point_every = max(1, config.training.validate_every // POINTS_PER_VALIDATION)
        self._curve: list[CurvePoint] = []
        self._best: BestValidation | None = None
        self._validations_since_best = 0
        self._seconds_before = 0.0
        self._recent: list[int] = []
        self._tokens = 0
        self._saved_step = 0
        self._peak_memory = PeakMemory()
        # A training that resumes at its last step has no step to start the clocks.
        self._started = self._point_time = time.monotonic()

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Starts the clocks. Ends a training that has nothing left to do."""
        assert isinstance(module, TranslationModule)
        self._saved_step = trainer.global_step
        self._started = self._point_time = time.monotonic()
        if self._lost_patience:
            # Its last session ended between its last checkpoint and its end.
            self._stop_without_validation(trainer, module)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        _outputs: Any,  # noqa: ANN401 - Lightning's type
        batch: Batch,
        _batch_index: int,
    ) -> None:
        """Records a point of the curve. Ends a training that diverges or should pause."""
        assert isinstance(module, TranslationModule)
        module.batches_done += 1
        self._tokens += batch.whole_tokens
        if module.batches_done % self._config.accumulate:
            return
        step = trainer.global_step
        if step % self._point_every == 0:
            self._record_point(step, module)
        validates = step % self._config.validate_every == 0 or step == self._config.max_steps
        if self.outcome is Outcome.DIVERGED:
            self._stop_without_validation(trainer, module)
        elif not validates and self._hooks.should_pause():
            if self._still_owns():
                self.outcome = Outcome.PAUSED
                self._save(trainer)
            self._stop_without_validation(trainer, module)
        elif step == self._config.max_steps:
            trainer.should_stop = True  # makes Lightning validate the last step too

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Keeps the weights, reports the validation and carries the decision out."""
        assert isinstance(module, TranslationModule)
        if module.skips_validation:
            return
        if module.abandoned_validation:
            # Nothing of it is kept: the training resumes from its last checkpoint.
            self.outcome = Outcome.PAUSED
            trainer.should_stop = True
        elif not self._still_owns():
            trainer.should_stop = True
        else:
            self._accept(trainer, module)
        self._point_time = time.monotonic()

    def _accept(self, trainer: L.Trainer, module: TranslationModule) -> None:
        step = trainer.global_step
        is_best = self._is_best(module, step)
        if is_best:
            weights = module.master_optimizer.full_precision(module.model)
            self._write(weights, self._directory.new_best_weights(step))
        self._validations_since_best = 0 if is_best else self._validations_since_best + 1
        self._keep_recent(module, step)
        decision = self._hooks.observe(self._validation(module, step, is_best=is_best))
        if decision is Decision.PAUSE:
            # Told again after the training has resumed from its last checkpoint.
            self.outcome = Outcome.PAUSED
            trainer.should_stop = True
            return
        self._curve.clear()
        # Saved after the observer was told, so that a training that dies between the two tells
        # this validation again instead of never.
        self._save(trainer)
        if is_best:
            self._keep_best(step)
        if decision is Decision.STOP:
            self.outcome = Outcome.STOPPED
            trainer.should_stop = True
        elif self._lost_patience:
            trainer.should_stop = True
        elif step < self._config.max_steps and self._hooks.should_pause():
            self.outcome = Outcome.PAUSED
            trainer.should_stop = True

    def _validation(self, module: TranslationModule, step: int, *, is_best: bool) -> Validation:
        return Validation(
            step=step,
            scores=module.scores,
            sentences=module.sentences,
            loss=module.loss,
            hypotheses=module.hypotheses,
            curve=tuple(self._curve),
            seconds=self._seconds(),
            peak_memory_mb=self._peak_memory.megabytes(),
            machine_load=machine_load(),
            is_best=is_best,
            attention=module.attention_maps() if is_best and self._processes.is_main else (),
        )

    def on_save_checkpoint(
        self, _trainer: L.Trainer, _module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Marks a checkpoint with the training that it belongs to."""
        self._identity.mark(checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the training so far, for a checkpoint."""
        return {
            "best": None if self._best is None else self._best.state_dict(),
            "validations_since_best": self._validations_since_best,
            "seconds": self._seconds(),
            "recent": self._recent,
            "curve": [tuple(vars(point).values()) for point in self._curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what ``state_dict`` returned."""
        self._best = None if state["best"] is None else BestValidation.from_state(state["best"])
        if self._best is not None:
            self._keep_best(self._best.step)
        self._validations_since_best = state["validations_since_best"]
        self._seconds_before = state["seconds"]
        self._recent = state["recent"]
        self._curve = [CurvePoint(*values) for values in state["curve"]]

    def average(self, trainer: L.Trainer, module: TranslationModule) -> None:
        """Keeps the mean of the most recent weights if it translates the split better.

        Args:
            trainer: The trainer, which has done the last step.
            module: The module that it has trained.
        """
        if not self._recent:
            return
        # Lightning has moved it to the CPU.
        module.to(trainer.strategy.root_device)
        weights = average_weights([self._directory.recent_weights(step) for step in self._recent])
        module.model.load_state_dict(weights, strict=False)
        if not module.translate_validation(len(module.data.validation)):
            self.outcome = Outcome.PAUSED
            return
        if not self._still_owns():
            return
        if self._is_best(module, self._recent[-1]):
            self._write(weights, self._directory.best_weights)
        # A training that is killed from here on does not average again.
        self._recent = []
        self._save(trainer)

    def result(self, step: int) -> FitResult:
        """Returns the result of the training after so many optimizer steps."""
        reached = self._saved_step if self.outcome is Outcome.PAUSED else step
        best = self._best
        if best is None:
            return FitResult(self.outcome, reached, None, None, None, self._seconds())
        return FitResult(
            self.outcome, reached, best.step, best.scores, best.sentences, self._seconds()
        )

    def _still_owns(self) -> bool:
        """Asks for the ownership of the training; without it, the outcome is that it is lost."""
        if self._hooks.is_owner():
            return True
        self.outcome = Outcome.LOST
        return False

    def _record_point(self, step: int, module: TranslationModule) -> None:
        now = time.monotonic()
        point = CurvePoint(
            step=step,
            loss=float(module.master_optimizer.loss),
            learning_rate=self._config.learning_rate * learning_rate_factor(step, self._config),
            grad_norm=float(module.master_optimizer.grad_norm),
            tokens_per_second=self._tokens / max(now - self._point_time, 1e-9),
        )
        self._tokens, self._point_time = 0, now
        self._curve.append(point)
        self._hooks.progress(point)
        if not (math.isfinite(point.loss) and math.isfinite(point.grad_norm)):
            self.outcome = Outcome.DIVERGED

    def _is_best(self, module: TranslationModule, step: int) -> bool:
        """Records the module's scores if they are the best so far. Returns whether they are."""
        found = BestValidation(step, module.scores, module.sentences)
        if self._best is not None and found.merit <= self._best.merit:
            return False
        self._best = found
        return True

    def _keep_recent(self, module: TranslationModule, step: int) -> None:
        count = self._config.average_checkpoints
        if count == 1:
            return
        weights = module.master_optimizer.full_precision(module.model)
        self._write(weights, self._directory.recent_weights(step))
        self._recent = [*self._recent, step]
        for old in self._recent[:-count] if self._processes.is_main else ():
            self._directory.recent_weights(old).unlink(missing_ok=True)
        self._recent = self._recent[-count:]

    @property
    def _lost_patience(self) -> bool:
        return self._validations_since_best >= (self._config.patience or math.inf)

    def _keep_best(self, step: int) -> None:
        if self._processes.is_main:
            self._directory.keep_best(step)

    def _write(self, weights: dict[str, torch.Tensor], path: Path) -> None:
        if self._processes.is_main:
            save_weights(weights, path)

    def _stop_without_validation(self, trainer: L.Trainer, module: TranslationModule) -> None:
        module.skips_validation = True
        trainer.should_stop = True

    def _save(self, trainer: L.Trainer) -> None:
        trainer.save_checkpoint(self._directory.checkpoint)
        self._saved_step = trainer.global_step

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
