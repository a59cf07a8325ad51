"""Checkpoints and weights of a training on disk, and the training that they belong to.

Every file is written whole or not at all. Weights are safetensors, which hold no code.
"""

import hashlib
import io
import json
import logging
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from safetensors.torch import load_file, save_file
from torch import Tensor

from automl_tf.config.settings import TrainingConfig, TrialConfig, flatten
from automl_tf.errors import Place, UserError
from automl_tf.scoring.tokenizers import former_tokenizer, tokenizer_of
from automl_tf.training.events import FitResult
from automl_tf.training.schedule import first_cooldown_step

LAST_CHECKPOINT = "last.ckpt"
"""File name of the checkpoint from which a training resumes."""
BEST_WEIGHTS = "best.safetensors"
"""File name of the weights of the best validation."""
FINISHED = "finished.json"
"""File name of the result of a training that has done all its steps."""

FORMAT = 2
"""Version of what a checkpoint holds, to be raised when an older one cannot be resumed."""

_IDENTITY = "training"
_RECENT_WEIGHTS = "step-*.safetensors"
_NEW_BEST_WEIGHTS = "best-*.safetensors"
_PARTIAL = "*.partial"
_ABSENT = "absent"
_WITHOUT_EFFECT = {"training.ema": 0.0}
"""Settings that checkpoints of this format need not hold, at the value that changes nothing."""
_TRAINING = "training."
_LENGTH = f"{_TRAINING}max_steps"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingIdentity:
    """The settings that determine the course of a training.

    Devices and file paths are left out: a training may continue on other devices, with the same
    text in another place.

    Attributes:
        settings: Values by dotted path, the fingerprint of the corpus included.
    """

    settings: Mapping[str, Any]

    @classmethod
    def of(cls, config: TrialConfig, corpus_fingerprint: str) -> "TrainingIdentity":
        """Returns the identity of the training of a configuration.

        Args:
            config: The configuration.
            corpus_fingerprint: SHA-256 of the text of the corpus.
        """
        settings = {
            name: value
            for name, value in flatten(config).items()
            if not name.startswith("trainer.") and (name, value) not in _WITHOUT_EFFECT.items()
        }
        corpus = {
            "corpus.fingerprint": corpus_fingerprint,
            "corpus.source_lang": config.corpus.source_lang,
            "corpus.target_lang": config.corpus.target_lang,
        }
        scoring = {}
        # Checkpoints of versions without this setting were chosen by what the language then had.
        if (tokenizer := tokenizer_of(config)) != former_tokenizer(config.corpus.target_lang):
            scoring["scoring.tokenize"] = tokenizer
        return cls({**settings, **corpus, **scoring, "seed": config.seed})

    @property
    def digest(self) -> str:
        """SHA-256 of the settings in a canonical form."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def first_difference(self, other: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
        """Returns the first setting that differs, with this value and the other; None if equal."""
        for name in (*self.settings, *(name for name in other if name not in self.settings)):
            absent = _WITHOUT_EFFECT.get(name, _ABSENT)
            mine, others = self.settings.get(name, absent), other.get(name, absent)
            if mine != others:
                return name, mine, others
        return None

    def of_length(self, max_steps: int) -> "TrainingIdentity":
        """Returns the same training with another ``training.max_steps``."""
        return TrainingIdentity({**self.settings, _LENGTH: max_steps})

    @property
    def first_cooldown_step(self) -> int:
        """The first optimizer step that depends on the length of the training."""
        return first_cooldown_step(
            TrainingConfig(
                **{
                    name.removeprefix(_TRAINING): value
                    for name, value in self.settings.items()
                    if name.startswith(_TRAINING)
                }
            )
        )

    def mark(self, checkpoint: dict[str, Any]) -> None:
        """Adds the identity and the format to a checkpoint."""
        settings = dict(self.settings)
        checkpoint[_IDENTITY] = {"digest": self.digest, "settings": settings, "format": FORMAT}


@dataclass(frozen=True)
class TrainingDirectory:
    """The directory of one training: its checkpoint, its best and its most recent weights.

    Only this class names and removes files of a training.

    Attributes:
        path: The directory; it need not exist.
    """

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The checkpoint from which the training resumes."""
        return self.path / LAST_CHECKPOINT

    @property
    def best_weights(self) -> Path:
        """The weights of the best validation."""
        return self.path / BEST_WEIGHTS

    @property
    def finished(self) -> Path:
        """The result of a training that has done all its steps."""
        return self.path / FINISHED

    def record(self, identity: TrainingIdentity, result: FitResult) -> None:
        """Keeps the result of a training that has done all its steps beside its best weights."""
        text = json.dumps({_IDENTITY: dict(identity.settings), "result": result.to_json()})
        partial = self.finished.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.finished)

    def result(self, identity: TrainingIdentity) -> FitResult | None:
        """Returns the result of a training that has done all its steps here.

        None if it has not, if its weights are gone, or if it was another training.
        """
        if not (self.finished.exists() and self.best_weights.exists()):
            return None
        record = json.loads(self.finished.read_text(encoding="utf-8"))
        if identity.first_difference(record[_IDENTITY]) is not None:
            return None
        return FitResult.from_json(record["result"])

    def adopt(self, other: "TrainingDirectory") -> None:
        """Copies the best weights and the result of the same training from its directory."""
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.best_weights.with_suffix(".partial")
        shutil.copyfile(other.best_weights, partial)
        partial.replace(self.best_weights)
        shutil.copyfile(other.finished, partial)
        partial.replace(self.finished)

    @property
    def is_begun(self) -> bool:
        """Whether the training has a checkpoint, or a result that has not been released yet."""
        return self.checkpoint.exists() or self.finished.exists()

    def release(self) -> None:
        """Removes the checkpoint and the result: only the best weights are left."""
        self.checkpoint.unlink(missing_ok=True)
        self.finished.unlink(missing_ok=True)

    def recent_weights(self, step: int) -> Path:
        """The weights of the validation at an optimizer step, kept for averaging."""
        return self.path / f"step-{step:07d}.safetensors"

    def new_best_weights(self, step: int) -> Path:
        """The weights of a better validation that no checkpoint knows of yet."""
        return self.path / f"best-{step:07d}.safetensors"

    def keep_best(self, step: int) -> None:
        """Makes the weights of a validation the best, once a checkpoint says that they are.

        A training that ends before that goes on from the checkpoint and its weights, possibly on
        another course than the one that the new weights are of.
        """
        path = self.new_best_weights(step)
        if path.exists():
            path.replace(self.best_weights)

    def open(self, identity: TrainingIdentity) -> Path | None:
        """Returns the checkpoint to resume from, or None after removing the files of others.

        The checkpoint may be that of a shorter or longer training, saved before the cool-down of
        either: up to there both take the same course.

        Args:
            identity: The training that is about to use the directory.

        Raises:
            UserError: If the directory holds the checkpoint of another training, or one of an
                earlier version.
        """
        path = self.checkpoint
        if path.exists() and not zipfile.is_zipfile(path):
            # A crash of the machine has cut it short.
            _logger.warning("%s is incomplete: the training restarts.", path)
            path.unlink()
        if path.exists():
            self._check(identity)
            return path
        self.remove_weights()
        return None

    @property
    def is_outdated(self) -> bool:
        """Whether the directory holds a checkpoint of an earlier version of this program."""
        path = self.checkpoint
        return path.exists() and zipfile.is_zipfile(path) and self._mark() is None

    def remove_weights(self) -> None:
        """Removes all weights, so that only the checkpoint is left."""
        self.finished.unlink(missing_ok=True)
        self.best_weights.unlink(missing_ok=True)
        self.remove_temporary_files()

    def remove_temporary_files(self) -> None:
        """Removes weights kept for a while and files that were not written to their end."""
        for pattern in (_RECENT_WEIGHTS, _NEW_BEST_WEIGHTS, _PARTIAL):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def _mark(self) -> dict[str, Any] | None:
        """Returns what ``TrainingIdentity.mark`` added, and the step of the checkpoint.

        None for a checkpoint of another format.
        """
        # Mapped, the tensors are not read.
        checkpoint = torch.load(self.checkpoint, map_location="cpu", mmap=True, weights_only=True)
        mark: dict[str, Any] = checkpoint.get(_IDENTITY, {})
        if mark.get("format") != FORMAT:
            return None
        return {**mark, "step": checkpoint["global_step"]}

    def _check(self, identity: TrainingIdentity) -> None:
        found = self._mark()
        if found is None:
            what = "was written by an earlier version, which trained differently"
        elif (other := _other_training(identity, found)) is not None:
            what = f"belongs to another training: {other}"
        else:
            return
        raise UserError(
            f"The checkpoint in {self.path} {what}.",
            "Use another directory, or delete this one to restart the training.",
            Place(self.checkpoint),
        )


def _other_training(identity: TrainingIdentity, mark: Mapping[str, Any]) -> str | None:
    """Returns in words why a checkpoint is of no use to a training; None if it is."""
    settings = mark["settings"]
    there = identity.of_length(settings[_LENGTH])
    difference = there.first_difference(settings) or identity.first_difference(settings)
    if difference is None:
        return None
    name, mine, others = difference
    words = f"{name} is {others} there and {mine} here"
    if name != _LENGTH:
        return words
    fixed_from, step = min(identity.first_cooldown_step, there.first_cooldown_step), mark["step"]
    if step < fixed_from:
        return None
    return f"{words}, which changes the course from step {fixed_from} on, and it is at step {step}"


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoint file access that replaces the old file in one step.

    Lightning writes into the system's temporary directory and moves the file. If that is another
    disk, moving copies the file, and a copy can stop half way.

    Args:
        writes: Whether this process writes. Of several that train together, rank zero does.
    """

    def __init__(self, *, writes: bool = True) -> None:
        super().__init__()
        self._writes = writes

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,  # noqa: ANN401 - Lightning's type
        storage_options: Any = None,  # noqa: ANN401
    ) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: If the disk does not take it. The old checkpoint is still there.
        """
        assert storage_options is None, "a local file has none"
        if not self._writes:
            return
        # Writing straight to a file, torch would hide the system's reason for a failure.
        data = io.BytesIO()
        torch.save(checkpoint, data)
        partial = Path(path).with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(data.getbuffer())
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(path)


def load_best(directory: Path) -> dict[str, Tensor]:
    """Returns the weights that a training in this directory kept."""
    return load_file(directory / BEST_WEIGHTS)


def save_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Writes weights so that a reader sees the old file or the new one.

    Args:
        weights: Tensors by name.
        path: The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: weight.contiguous() for name, weight in weights.items()}, partial)
    partial.replace(path)


def remove_weights_of_others(study_directory: Path, keep: set[int]) -> None:
    """Removes the weights and temporary files of all trials of a study except some.

    A trial that was killed leaves such files here, also if another machine has finished it.

    Args:
        study_directory: The directory of the study.
        keep: Numbers of the trials that keep theirs. All that may still be trained are among them.
    """
    for directory in study_directory.glob("trial-*"):
        number = directory.name.removeprefix("trial-")
        if number.isdecimal() and int(number) not in keep:
            TrainingDirectory(directory).remove_weights()


def average_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Returns the mean of several checkpoints' weights (Vaswani et al. 2017, section 6.1)."""
    checkpoints = [load_file(path) for path in paths]
    return {
        name: torch.stack([checkpoint[name] for checkpoint in checkpoints]).mean(0)
        for name in checkpoints[0]
    }
