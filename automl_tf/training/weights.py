"""Weights on disk: safetensors, which hold no code, written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

BEST_WEIGHTS = "best.safetensors"
"""Name of the weights that a training keeps, in its directory."""


def load_best(directory: Path) -> dict[str, Tensor]:
    """The weights that a training in this directory kept."""
    return load_file(directory / BEST_WEIGHTS)


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Writes weights so that a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: weight.contiguous() for name, weight in weights.items()}, partial)
    partial.replace(path)


def average_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of several checkpoints' weights (Vaswani et al. 2017, section 6.1)."""
    checkpoints = [load_file(path) for path in paths]
    return {
        name: torch.stack([checkpoint[name] for checkpoint in checkpoints]).mean(0)
        for name in checkpoints[0]
    }
