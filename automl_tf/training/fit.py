"""Trains one configuration, from the start or from its checkpoint."""

import dataclasses
import functools
import logging
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from automl_tf.compat import ignore_signals
from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.device import (
    Precision,
    choose_attention_kernels,
    keep_freed_memory,
    lightning_device,
    lightning_precision,
    resolve_precision,
)
from automl_tf.training.callbacks import TrainingCallback
from automl_tf.training.checkpoints import TrainingDirectory, TrainingIdentity, WholeCheckpoints
from automl_tf.training.distributed import SINGLE_PROCESS, ProcessGroup
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
from automl_tf.training.launch import launch
from automl_tf.training.module import TranslationModule


def fit(  # noqa: PLR0913 - what to train, where, and the caller's side
    config: TrialConfig,
    data: PreparedData,
    directory: Path,
    observer: Observer,
    progress: Progress = ignore,
    should_pause: Pause = never,
    is_owner: Ownership = always,
    precision: Precision | None = None,
) -> FitResult:
    """Trains one configuration and keeps the weights of its best validation.

    If the directory contains a checkpoint of this training, it resumes from there; if it contains
    its result, that is returned at once. On the CPU the result equals that of an uninterrupted run,
    bit by bit; on a GPU, up to the order in which kernels add. With several devices, one process
    for each of them trains, and this process answers their questions.

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
        precision: Arithmetic of the training; by default that of the configuration, which is
            chosen for this machine if it is ``auto``.

    Raises:
        UserError: If the directory belongs to another training, if there are fewer devices than
            asked for, or if the process of a device was killed.
    """
    files = TrainingDirectory(directory)
    identity = TrainingIdentity.of(config, data.fingerprint)
    if not is_owner():
        return FitResult(Outcome.LOST, 0, None, None, None, 0.0)
    if (finished := files.result(identity)) is not None:
        return finished
    checkpoint = files.open(identity)
    hooks = TrainingHooks(observer, progress, should_pause, is_owner)
    precision = precision or resolve_precision(config.training.precision)
    training = config.training.model_copy(update={"precision": precision})
    resolved = config.model_copy(update={"training": training})
    work = functools.partial(_fit, resolved, data, files, checkpoint, identity)
    if config.trainer.devices == 1:
        result = work(SINGLE_PROCESS, hooks)
    else:
        result = launch(work, config.trainer.devices, hooks)
    if not result.outcome.is_final:
        return result
    if not is_owner():
        return dataclasses.replace(result, outcome=Outcome.LOST)
    files.remove_temporary_files()
    if result.outcome is Outcome.FINISHED and result.best is not None:
        files.record(identity, result)
    return result


def _fit(
    config: TrialConfig,
    data: PreparedData,
    directory: TrainingDirectory,
    checkpoint: Path | None,
    identity: TrainingIdentity,
    processes: ProcessGroup,
    hooks: TrainingHooks,
) -> FitResult:
    """Trains as one of the processes."""
    keep_freed_memory()
    choose_attention_kernels()
    _quieten()
    torch.manual_seed(config.seed)
    module = TranslationModule(config, data, processes, hooks.should_pause)
    if config.trainer.compile:
        module.model.compile(dynamic=True)
    callback = TrainingCallback(config, identity, directory, processes, hooks)
    trainer = _trainer(config, directory.path, processes, callback)
    trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    if callback.outcome is Outcome.FINISHED:
        callback.average(trainer, module)
    return callback.result(trainer.global_step)


def _trainer(
    config: TrialConfig, directory: Path, processes: ProcessGroup, callback: TrainingCallback
) -> L.Trainer:
    """Returns a trainer for one device: `MasterAdamW` sums the gradients of several."""
    training = config.training
    trainer = L.Trainer(
        default_root_dir=directory,
        **lightning_device(processes.rank),
        # Whatever started this process, Lightning trains in it alone.
        plugins=[WholeCheckpoints(writes=processes.is_main), LightningEnvironment()],
        precision=lightning_precision(resolve_precision(training.precision)),
        max_epochs=-1,
        max_steps=training.max_steps,
        val_check_interval=training.validate_every * training.accumulate,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    # Signals make `should_pause` true. Lightning would end the process instead, before the trial is
    # queued again.
    ignore_signals(trainer)
    return trainer


def _quieten() -> None:
    """Silences messages of Lightning that do not apply to how it is used here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\.(pytorch|fabric)\..*")
