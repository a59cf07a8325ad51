"""What the machine at hand is good at."""

import ctypes
import platform
import resource
from typing import Literal

import psutil
import torch

from automl_tf.config.settings import TrainingConfig
from automl_tf.errors import Place, UserError

MMAP_MAX, TRIM_THRESHOLD, TOP_PAD = -4, -1, -2
"""Names of glibc's malloc options (malloc.h)."""


def precision(config: TrainingConfig) -> Literal["32-true", "bf16-true"]:
    """Lightning's name for the arithmetic of a training."""
    bf16 = config.precision == "bf16" or (config.precision == "auto" and _is_fast_at_bf16())
    return "bf16-true" if bf16 else "32-true"


def _is_fast_at_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def has_gpu() -> bool:
    """Whether there is a GPU that torch sees."""
    return torch.cuda.is_available()


def check_devices(number: int) -> None:
    """Refuses more devices than there are GPUs. Without GPUs, any number of processes will do.

    Raises:
        UserError: With both numbers.
    """
    available = torch.cuda.device_count()
    if 0 < available < number:
        raise UserError(
            f"trainer.devices = {number}, but this machine has {available} GPU"
            f"{'' if available == 1 else 's'}.",
            f"Use {available}, or hide them with CUDA_VISIBLE_DEVICES= to train on the CPU.",
            Place(key="trainer.devices"),
        )


def keep_to_share(share: float) -> None:
    """Keeps this process to a part of its GPU's memory.

    Others train on the same GPU: a trial that asks for more than its part is the one to run out
    of memory, and not whoever comes last.

    Args:
        share: Of the memory of each GPU, more than 0 and at most 1.
    """
    if torch.cuda.is_available():
        for gpu in range(torch.cuda.device_count()):
            torch.cuda.set_per_process_memory_fraction(share, gpu)


def keep_freed_memory() -> None:
    """Tells glibc to keep the memory of freed tensors for the next step.

    At its defaults it returns large blocks to the system at once, and the system hands them out
    again filled with zeros: a fifth and more of a small model's time.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(TOP_PAD, 64 * 2**20)


def machine_load() -> dict[str, float]:
    """How busy the machine is, under the names that MLflow's page of system metrics knows.

    The share of the processors is that since the last call, zero at the first.
    """
    memory = psutil.virtual_memory()
    load = {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / 2**20,
        "system/system_memory_usage_percentage": memory.percent,
    }
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        load["system/gpu_0_memory_usage_megabytes"] = (total - free) / 2**20
        load["system/gpu_0_memory_usage_percentage"] = 100 * (total - free) / total
    return load


def peak_memory_mb() -> float:
    """Largest memory so far, in MB: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
