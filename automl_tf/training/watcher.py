"""What happens between the steps of a training: points of its curve, the best weights, its end."""

import math
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import Batch
from automl_tf.training.best import Best
from automl_tf.training.checkpoints import LAST_CHECKPOINT
from automl_tf.training.machine import machine_load, peak_memory_mb
from automl_tf.training.module import TranslationModule
from automl_tf.training.schedule import learning_rate_factor
from automl_tf.training.team import Team
from automl_tf.training.watching import (
    CurvePoint,
    Decision,
    FitResult,
    Observer,
    Outcome,
    Pause,
    Progress,
    Validation,
)
from automl_tf.training.weights import BEST_WEIGHTS, average_weights, save_weights

POINTS_PER_VALIDATION = 10


class Watcher(Callback):
    """Turns Lightning's hooks into values for the observer, and its decision into a stop.

    Args:
        config: What is trained.
        directory: Where weights and checkpoints are kept.
        team: Those that train together; the leading one writes.
        observer: Told of each validation; decides whether training goes on.
        progress: Told of some steps between.
        should_pause: Asked after each step.
    """

    def __init__(
        self,
        config: TrialConfig,
        directory: Path,
        team: Team,
        observer: Observer,
        progress: Progress,
        should_pause: Pause,
    ) -> None:
        self.outcome = Outcome.FINISHED
        self._config = config.training
        self._directory = directory
        self._team = team
        self._observer = observer
        self._progress = progress
        self._should_pause = should_pause
        self._point_every = max(1, config.training.validate_every // POINTS_PER_VALIDATION)
        self._curve: list[CurvePoint] = []
        self._best: Best | None = None
        self._validations_since_best = 0
        self._seconds_before = 0.0
        self._recent: list[int] = []
        self._tokens = 0

    def on_train_start(self, _trainer: L.Trainer, _module: L.LightningModule) -> None:
        """Starts the clocks."""
        self._started = self._point_time = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's type
        batch: Batch,
        _batch_index: int,
    ) -> None:
        """Notes a point of the curve and ends the training where it diverges or is to pause."""
        assert isinstance(module, TranslationModule)
        module.batches_done += 1
        self._tokens += batch.whole_tokens
        if module.batches_done % self._config.accumulate:
            return
        step = trainer.global_step
        if step % self._point_every == 0:
            self._note_point(step, float(outputs["loss"]), module)
        validates = step % self._config.validate_every == 0 or step == self._config.max_steps
        if self.outcome is Outcome.DIVERGED:
            self._leave(trainer, module)
        elif not validates and self._should_pause():
            self.outcome = Outcome.PAUSED
            self._save(trainer)
            self._leave(trainer, module)
        elif step == self._config.max_steps:
            trainer.should_stop = True  # makes Lightning validate the last step too

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Keeps the weights, tells the observer and carries its decision out."""
        assert isinstance(module, TranslationModule)
        if module.skips_validation:
            return
        step = trainer.global_step
        is_best = self._is_best(module, step)
        if is_best:
            weights = module.master_optimizer.full_precision(module.model)
            self._write(weights, self._directory / BEST_WEIGHTS)
        self._validations_since_best = 0 if is_best else self._validations_since_best + 1
        self._keep_recent(module, step)
        decision = self._observer(
            Validation(
                step=step,
                scores=module.scores,
                sentences=module.sentences,
                loss=module.loss,
                hypotheses=module.hypotheses,
                curve=tuple(self._curve),
                seconds=self._seconds(),
                peak_memory_mb=peak_memory_mb(),
                machine_load=machine_load(),
                is_best=is_best,
                attention=module.attention_maps() if is_best and self._team.leads else (),
            )
        )
        self._curve.clear()
        # Saved after the observer was told, so that a training that dies between the two tells
        # this validation again instead of never.
        self._save(trainer)
        if decision is Decision.STOP:
            self.outcome = Outcome.STOPPED
            trainer.should_stop = True
        elif self._validations_since_best >= (self._config.patience or math.inf):
            trainer.should_stop = True
        elif step < self._config.max_steps and self._should_pause():
            self.outcome = Outcome.PAUSED
            trainer.should_stop = True
        self._point_time = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the training so far."""
        return {
            "best": None if self._best is None else self._best.state_dict(),
            "validations_since_best": self._validations_since_best,
            "seconds": self._seconds(),
            "recent": self._recent,
            "curve": [tuple(vars(point).values()) for point in self._curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what ``state_dict`` gave."""
        self._best = None if state["best"] is None else Best.from_state(state["best"])
        self._validations_since_best = state["validations_since_best"]
        self._seconds_before = state["seconds"]
        self._recent = state["recent"]
        self._curve = [CurvePoint(*values) for values in state["curve"]]

    def try_average(self, module: TranslationModule) -> None:
        """Keeps the mean of the last weights instead, if they translate the split better."""
        weights = average_weights([self._recent_path(step) for step in self._recent])
        module.model.load_state_dict(weights, strict=False)
        module.translate_validation(len(module.data.validation))
        if self._is_best(module, self._recent[-1]):
            self._write(weights, self._directory / BEST_WEIGHTS)
        # Whoever has been scored has read them.
        for step in self._recent if self._team.leads else ():
            self._recent_path(step).unlink()

    def result(self, step: int) -> FitResult:
        """What the training came to."""
        best = self._best
        if best is None:
            return FitResult(self.outcome, step, None, None, None, self._seconds())
        return FitResult(
            self.outcome, step, best.step, best.scores, best.sentences, self._seconds()
        )

    def _note_point(self, step: int, loss: float, module: TranslationModule) -> None:
        losses = self._team.gather(loss)
        now = time.monotonic()
        point = CurvePoint(
            step=step,
            loss=sum(losses) / len(losses),
            # The optimizer's own is the next step's already.
            learning_rate=self._config.learning_rate * learning_rate_factor(step, self._config),
            grad_norm=float(module.master_optimizer.grad_norm),
            tokens_per_second=self._tokens / max(now - self._point_time, 1e-9),
        )
        self._tokens, self._point_time = 0, now
        self._curve.append(point)
        self._progress(point)
        if not (math.isfinite(point.loss) and math.isfinite(point.grad_norm)):
            self.outcome = Outcome.DIVERGED

    def _is_best(self, module: TranslationModule, step: int) -> bool:
        """Whether what the module was just scored with is the best so far; then it is noted."""
        found = Best(step, module.scores, module.sentences)
        if self._best is not None and found.merit <= self._best.merit:
            return False
        self._best = found
        return True

    def _keep_recent(self, module: TranslationModule, step: int) -> None:
        count = self._config.average_checkpoints
        if count == 1:
            return
        self._write(module.master_optimizer.full_precision(module.model), self._recent_path(step))
        self._recent = [*self._recent, step]
        for old in self._recent[:-count] if self._team.leads else ():
            self._recent_path(old).unlink(missing_ok=True)
        self._recent = self._recent[-count:]

    def _write(self, weights: dict[str, torch.Tensor], path: Path) -> None:
        if self._team.leads:
            save_weights(weights, path)

    def _recent_path(self, step: int) -> Path:
        return self._directory / f"step-{step:07d}.safetensors"

    def _leave(self, trainer: L.Trainer, module: TranslationModule) -> None:
        module.skips_validation = True
        trainer.should_stop = True

    def _save(self, trainer: L.Trainer) -> None:
        trainer.save_checkpoint(self._directory / LAST_CHECKPOINT)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
