"""The search that a competent user writes by hand: Lightning, Optuna and MLflow as documented.

One trial after another in one process, validation after each epoch by decoding the whole split.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import optuna
import torch
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from sacrebleu.metrics.bleu import BLEU
from torch import Tensor
from torch.utils.data import DataLoader

from automl_tf.data.prepare import PreparedData
from handwritten import (
    SENTENCES_A_BATCH,
    HandwrittenTransformer,
    Pair,
    Pairs,
    Shape,
    new_optimizer,
    padded,
    random_batches,
    translate,
    warmed_up,
)

NAME = "hand-written"


class HandwrittenModule(L.LightningModule):
    """Trains and validates the hand-written model.

    Args:
        params: A trial's shape, dropout and learning rate.
        data: The corpus as token ids.
    """

    def __init__(self, params: Mapping[str, Any], data: PreparedData) -> None:
        super().__init__()
        shape = Shape(params["d_model"], params["layers"], params["heads"], params["d_ff"])
        self.model = HandwrittenTransformer(shape, len(data.vocabulary.target), params["dropout"])
        self.learning_rate = params["learning_rate"]
        self.data = data

    def training_step(self, batch: Pair, _index: int) -> Tensor:
        """The loss of a batch."""
        loss = self.model.loss(*batch)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Pair, _index: int) -> None:
        """Logs the loss of a batch."""
        self.log("val_loss", self.model.loss(*batch), batch_size=len(batch[0]))

    def on_validation_epoch_end(self) -> None:
        """Translates the whole split and logs BLEU."""
        split = self.data.validation
        ids = translate(self.model, split.sources())
        hypotheses = self.data.vocabulary.target.decode_batch(ids)
        self.log("val_bleu", BLEU().corpus_score(hypotheses, [split.target_text]).score)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with warm-up, then the inverse square root."""
        optimizer = new_optimizer(self, self.learning_rate)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warmed_up)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Report(L.Callback):
    """Tells Optuna the BLEU of each epoch, as optuna-integration's callback does.

    Args:
        trial: The trial.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def on_validation_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        """Reports the BLEU."""
        if not trainer.sanity_checking:
            self._trial.report(float(trainer.callback_metrics["val_bleu"]), trainer.current_epoch)


def search(
    data: PreparedData, configurations: Sequence[Mapping[str, Any]], epochs: int, folder: Path
) -> list[float]:
    """Trains each configuration, as a study whose first trials are given.

    Args:
        data: The corpus as token ids.
        configurations: The trials.
        epochs: Epochs of each trial.
        folder: Where the databases are written.

    Returns:
        The BLEU of each trial after its last epoch.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=NAME,
        storage=f"sqlite:///{folder / 'optuna.db'}",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=1),
        pruner=optuna.pruners.NopPruner(),
    )
    for params in configurations:
        study.enqueue_trial(dict(params))
    study.optimize(
        lambda trial: _run_trial(trial, data, epochs, folder), n_trials=len(configurations)
    )
    return [trial.value or 0.0 for trial in study.trials]


def _run_trial(trial: optuna.Trial, data: PreparedData, epochs: int, folder: Path) -> float:
    params = {
        "d_model": trial.suggest_categorical("d_model", [64, 128]),
        "heads": trial.suggest_categorical("heads", [2, 4]),
        "d_ff": trial.suggest_categorical("d_ff", [256, 512]),
        "layers": trial.suggest_int("layers", 2, 3),
        "dropout": trial.suggest_float("dropout", 0.0, 0.3),
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 3e-3, log=True),
    }
    logger = MLFlowLogger(
        experiment_name=NAME,
        run_name=f"trial{trial.number}",
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifact_location=str(folder / "artifacts"),
    )
    logger.log_hyperparams(params)
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[Report(trial)],
        default_root_dir=folder,
        gradient_clip_val=1.0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    validation = DataLoader(Pairs(data.validation), SENTENCES_A_BATCH, collate_fn=padded)
    trainer.fit(HandwrittenModule(params, data), random_batches(Pairs(data.train)), validation)
    return float(trainer.callback_metrics["val_bleu"])
