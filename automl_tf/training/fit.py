"""Trains one configuration, from the start or from its checkpoint."""

import dataclasses
import functools
import logging
import warnings
from pathlib import Path

import lightning as L
import torch

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.training.callback import TrainingCallback
from automl_tf.training.checkpoints import TrainingDirectory, TrainingIdentity
from automl_tf.training.devices import train_together
from automl_tf.training.events import (
    FitResult,
    Observer,
    Outcome,
    Ownership,
    Pause,
    Progress,
    TrainingHooks,
    always,
    ignore,
    never,
)
from automl_tf.training.machine import keep_freed_memory, precision
from automl_tf.training.member import trainer_options
from automl_tf.training.module import TranslationModule
from automl_tf.training.team import ALONE, Team


def fit(
    config: TrialConfig,
    data: PreparedData,
    directory: Path,
    observer: Observer,
    progress: Progress = ignore,
    should_pause: Pause = never,
    is_owner: Ownership = always,
) -> FitResult:
    """Trains one configuration and keeps the weights of its best validation.

    If the directory contains a checkpoint of this training, it resumes from there. The result
    equals that of an uninterrupted run. With several devices, one process for each of them trains,
    and this process answers their questions.

    A pause during a validation abandons the validation: the training later resumes from its last
    checkpoint. Temporary files are removed when the training ends for good.

    Args:
        config: The configuration to train.
        data: The prepared corpus.
        directory: Where ``best.safetensors`` and ``last.ckpt`` are kept.
        observer: Called after each validation; decides whether training continues.
        progress: Called several times between two validations.
        should_pause: Asked after each step and during validations; if true, training saves its
            state and ends.
        is_owner: Asked before anything is written; if false, nothing more is written, and training
            ends as lost.

    Raises:
        UserError: If the directory belongs to another training, if there are fewer devices than
            asked for, or if the process of a device was killed.
    """
    files = TrainingDirectory(directory)
    identity = TrainingIdentity.of(config, data.fingerprint)
    if not is_owner():
        return FitResult(Outcome.LOST, 0, None, None, None, 0.0)
    checkpoint = files.open(identity)
    hooks = TrainingHooks(observer, progress, should_pause, is_owner)
    work = functools.partial(_fit, config, data, files, checkpoint, identity)
    if config.trainer.devices == 1:
        result = work(ALONE, hooks)
    else:
        result = train_together(work, config.trainer.devices, hooks)
    if not result.outcome.is_final:
        return result
    if not is_owner():
        return dataclasses.replace(result, outcome=Outcome.LOST)
    files.remove_temporary_files()
    return result


def _fit(
    config: TrialConfig,
    data: PreparedData,
    directory: TrainingDirectory,
    checkpoint: Path | None,
    identity: TrainingIdentity,
    team: Team,
    hooks: TrainingHooks,
) -> FitResult:
    """Trains as one process of a team."""
    keep_freed_memory()
    _quieten()
    torch.manual_seed(config.seed)
    module = TranslationModule(config, data, team, hooks.should_pause)
    if config.trainer.compile:
        module.model.compile(dynamic=True)
    callback = TrainingCallback(config, identity, directory, team, hooks)
    trainer = _trainer(config, directory.path, team, callback)
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    if callback.outcome is Outcome.FINISHED:
        callback.average(trainer, module)
    return callback.result(trainer.global_step)


def _trainer(
    config: TrialConfig, directory: Path, team: Team, callback: TrainingCallback
) -> L.Trainer:
    training = config.training
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
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # A signal is heard by whoever answers `should_pause`: Lightning would end the process instead,
    # before the trial is told to wait.
    connector = trainer._signal_connector  # noqa: SLF001
    connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    if team.size > 1:
        # Before each step it waits for the GPU to agree on a signal that no member hears.
        loop = trainer.fit_loop.epoch_loop
        loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign] # noqa: SLF001
    return trainer


def _quieten() -> None:
    """Silences notes of Lightning that speak of other designs than this one."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.(pytorch|fabric)\..*")
