"""The random state of a training process: what its dropout masks come from."""

from typing import Any

import numpy as np
import torch


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of torch's generators on the CPU and on a process's own device."""
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"cpu": torch.get_rng_state(), "cuda": on_gpu}


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Goes on from what ``random_state`` gave, as far as this machine has the device."""
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def seed_apart(*numbers: int) -> None:
    """Seeds torch's generators with a stream of its own for each list of numbers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]))
