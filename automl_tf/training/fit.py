"""Trains one configuration, from the start or from where it was left."""

import functools
import logging
import math
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from safetensors.torch import load_file

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import Batch
from automl_tf.data.prepare import PreparedData
from automl_tf.scoring.scores import Scores
from automl_tf.training.devices import train_together
from automl_tf.training.machine import keep_freed_memory, peak_memory_mb, precision
from automl_tf.training.member import trainer_options
from automl_tf.training.module import TranslationModule
from automl_tf.training.schedule import learning_rate_factor
from automl_tf.training.team import ALONE, Team
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
from automl_tf.training.weights import average_weights, save_weights

POINTS_PER_VALIDATION = 10

BEST_WEIGHTS = "best.safetensors"
LAST_CHECKPOINT = "last.ckpt"


def fit(
    config: TrialConfig,
    data: PreparedData,
    directory: Path,
    observer: Observer,
    progress: Progress = lambda _point: None,
    should_pause: Pause = lambda: False,
) -> FitResult:
    """Trains one configuration and keeps the weights of its best validation BLEU.

    A directory that holds a checkpoint of the same configuration is gone on from, so that the end
    is the same as that of a training that was never interrupted. With several devices, a process
    for each of them trains, and this one answers what they ask.

    Args:
        config: What to train.
        data: The prepared corpus.
        directory: Where ``best.safetensors`` and ``last.ckpt`` are kept.
        observer: Told of each validation; decides whether training goes on.
        progress: Told of some steps between.
        should_pause: Asked after each step; training saves itself and ends when it says so.

    Raises:
        UserError: If there are fewer devices than asked for, or if the process of one was killed.
    """
    work = functools.partial(_fit, config, data, directory)
    if config.trainer.devices == 1:
        return work(ALONE, observer, progress, should_pause)
    return train_together(work, config.trainer.devices, observer, progress, should_pause)


def _fit(
    config: TrialConfig,
    data: PreparedData,
    directory: Path,
    team: Team,
    observer: Observer,
    progress: Progress,
    should_pause: Pause,
) -> FitResult:
    """The training as each process of a team does it."""
    keep_freed_memory()
    _quieten()
    torch.manual_seed(config.seed)
    module = TranslationModule(config, data, team)
    if config.trainer.compile:
        module.model.compile(dynamic=True)
    watcher = _Watcher(config, directory, team, observer, progress, should_pause)
    trainer = _trainer(config, directory, team, watcher)
    last = directory / LAST_CHECKPOINT
    trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
    if watcher.outcome is Outcome.FINISHED and config.training.average_checkpoints > 1:
        watcher.try_average(module)
    return watcher.result(trainer.global_step)


def _trainer(config: TrialConfig, directory: Path, team: Team, watcher: "_Watcher") -> L.Trainer:
    training = config.training
    callbacks: list[Callback] = [watcher]
    if training.patience:
        callbacks.append(
            EarlyStopping("val_bleu", mode="max", patience=training.patience, check_finite=False)
        )
    trainer = L.Trainer(
        default_root_dir=directory,
        **trainer_options(team),
        precision=precision(training),
        max_epochs=-1,
        max_steps=training.max_steps,
        accumulate_grad_batches=training.accumulate,
        val_check_interval=training.validate_every * training.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    if team.size > 1:
        # Before each step it waits for the GPU to agree on a signal that no member hears.
        loop = trainer.fit_loop.epoch_loop
        loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign] # noqa: SLF001
    return trainer


class _Watcher(Callback):
    """Turns Lightning's hooks into values for the observer, and its decision into a stop."""

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
        self._best: Scores | None = None
        self._best_step: int | None = None
        self._seconds_before = 0.0
        self._recent: list[int] = []
        self._tokens = 0

    def on_train_start(self, _trainer: L.Trainer, _module: L.LightningModule) -> None:
        self._started = self._point_time = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        module: L.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's type
        batch: Batch,
        _batch_index: int,
    ) -> None:
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
        assert isinstance(module, TranslationModule)
        if module.skips_validation:
            return
        step = trainer.global_step
        is_best = self._keep_if_best(module, step)
        self._keep_recent(module, step)
        decision = self._observer(
            Validation(
                step=step,
                scores=module.scores,
                loss=module.loss,
                hypotheses=module.hypotheses,
                curve=tuple(self._curve),
                seconds=self._seconds(),
                peak_memory_mb=peak_memory_mb(),
                is_best=is_best,
            )
        )
        self._curve.clear()
        # Saved after the observer was told, so that a training that dies between the two tells
        # this validation again instead of never.
        self._save(trainer)
        if decision is Decision.STOP:
            self.outcome = Outcome.STOPPED
            trainer.should_stop = True
        elif step < self._config.max_steps and self._should_pause():
            self.outcome = Outcome.PAUSED
            trainer.should_stop = True
        self._point_time = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        best = None if self._best is None else (self._best.bleu, self._best.chrf)
        return {
            "best": best,
            "best_step": self._best_step,
            "seconds": self._seconds(),
            "recent": self._recent,
            "curve": [tuple(vars(point).values()) for point in self._curve],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best = None if state["best"] is None else Scores(*state["best"])
        self._best_step = state["best_step"]
        self._seconds_before = state["seconds"]
        self._recent = state["recent"]
        self._curve = [CurvePoint(*values) for values in state["curve"]]

    def try_average(self, module: TranslationModule) -> None:
        """Keeps the mean of the last weights instead, if they translate the split better."""
        weights = average_weights([self._recent_path(step) for step in self._recent])
        module.model.load_state_dict(weights, strict=False)
        module.translate_validation()
        if self._best is None or module.scores.bleu > self._best.bleu:
            self._best, self._best_step = module.scores, self._recent[-1]
            self._write(weights, self._directory / BEST_WEIGHTS)
        # Whoever has been scored has read them.
        for step in self._recent if self._team.leads else ():
            self._recent_path(step).unlink()

    def result(self, step: int) -> FitResult:
        """What the training came to."""
        return FitResult(self.outcome, step, self._best_step, self._best, self._seconds())

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

    def _keep_if_best(self, module: TranslationModule, step: int) -> bool:
        if self._best is not None and module.scores.bleu <= self._best.bleu:
            return False
        self._best, self._best_step = module.scores, step
        weights = module.master_optimizer.full_precision(module.model)
        self._write(weights, self._directory / BEST_WEIGHTS)
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


def load_best(directory: Path) -> dict[str, torch.Tensor]:
    """The weights that a training in this directory kept."""
    return load_file(directory / BEST_WEIGHTS)


def _quieten() -> None:
    """Silences notes of Lightning that speak of other designs than this one."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.(pytorch|fabric)\..*")
