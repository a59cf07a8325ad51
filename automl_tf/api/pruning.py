"""A Lightning callback that prunes a trial of anybody's Optuna study by a logged metric."""

import lightning as L
import optuna
from lightning.pytorch.callbacks import Callback


class PruningCallback(Callback):
    """Reports a metric to an Optuna trial after each validation, and ends a pruned training.

    It never raises inside the training loop: after ``trainer.fit`` call `check`, which raises
    ``optuna.TrialPruned``. Steps are optimizer steps (``trainer.global_step``). With several
    processes rank zero alone talks to Optuna, and all stop together.

    Args:
        trial: The trial.
        monitor: Name of the metric that a validation logs.
    """

    def __init__(self, trial: optuna.Trial, monitor: str = "val_bleu") -> None:
        self._trial = trial
        self._monitor = monitor
        self.pruned_at: int | None = None
        """Optimizer step at which the trial was pruned; None if it was not."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:  # noqa: ARG002
        """Reports the metric, and stops the training if the study's pruner says so.

        Raises:
            KeyError: If no such metric was logged.
        """
        if trainer.sanity_checking or self.pruned_at is not None:
            return
        if self._monitor not in trainer.callback_metrics:
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            raise KeyError(f"no metric {self._monitor!r} was logged; logged were: {known}")
        is_pruned = False
        if trainer.is_global_zero:
            value = float(trainer.callback_metrics[self._monitor])
            self._trial.report(value, trainer.global_step)
            is_pruned = self._trial.should_prune()
        if trainer.strategy.broadcast(is_pruned):
            self.pruned_at = trainer.global_step
            trainer.should_stop = True

    def check(self) -> None:
        """Raises ``optuna.TrialPruned`` if the trial was pruned. Call it after ``trainer.fit``."""
        if self.pruned_at is not None:
            raise optuna.TrialPruned(f"pruned at step {self.pruned_at}")
