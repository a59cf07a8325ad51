"""Checkpoints that are written whole or not at all, and that are known when they were not."""

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

LAST_CHECKPOINT = "last.ckpt"
"""Name of what a training goes on from, in its directory."""

_logger = logging.getLogger(__name__)


class WholeCheckpoints(TorchCheckpointIO):
    """Writes beside the old checkpoint, then takes its place.

    Lightning writes into the system's temporary directory and moves the file: a copy, which can
    stop half way, where that is another disk.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,  # noqa: ANN401 - Lightning's type
        storage_options: Any = None,  # noqa: ANN401
    ) -> None:
        """Writes a checkpoint.

        Raises:
            OSError: If the disk does not take it. The old one is still there.
        """
        assert storage_options is None, "a local file has none"
        # Straight to a file, torch would hide the system's reason for a failure.
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


def checkpoint_in(directory: Path) -> Path | None:
    """What a training in this directory goes on from, if there is such a thing.

    A file that a crash of the machine has cut short is none: the training begins anew.
    """
    path = directory / LAST_CHECKPOINT
    if not path.exists():
        return None
    if not zipfile.is_zipfile(path):
        _logger.warning("%s was cut short: the training begins anew.", path)
        path.unlink()
        return None
    return path
