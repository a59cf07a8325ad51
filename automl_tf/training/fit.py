"""Trains one configuration, from the start or from where it was left."""

import functools
import logging
import warnings
from pathlib import Path

import lightning as L
import torch

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.training.checkpoints import checkpoint_in
from automl_tf.training.devices import train_together
from automl_tf.training.machine import keep_freed_memory, precision
from automl_tf.training.member import trainer_options
from automl_tf.training.module import TranslationModule
from automl_tf.training.team import ALONE, Team
from automl_tf.training.watcher import Watcher
from automl_tf.training.watching import FitResult, Observer, Outcome, Pause, Progress


def fit(
    config: TrialConfig,
    data: PreparedData,
    directory: Path,
    observer: Observer,
    progress: Progress = lambda _point: None,
    should_pause: Pause = lambda: False,
) -> FitResult:
    """Trains one configuration and keeps the weights of its best validation.

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
    watcher = Watcher(config, directory, team, observer, progress, should_pause)
    trainer = _trainer(config, directory, team, watcher)
    trainer.fit(module, ckpt_path=checkpoint_in(directory), weights_only=True)
    if watcher.outcome is Outcome.FINISHED and config.training.average_checkpoints > 1:
        watcher.try_average(module)
    return watcher.result(trainer.global_step)


def _trainer(config: TrialConfig, directory: Path, team: Team, watcher: Watcher) -> L.Trainer:
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
        callbacks=[watcher],
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
