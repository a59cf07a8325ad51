"""The one device policy: which device, arithmetic and kernels, how much memory, what errors mean.

A process computes on one kind of device: on CUDA GPUs if torch sees any, else on the CPU. Apple's
GPUs (MPS) are not used. No other module asks torch for hardware, except for the CUDA graphs in
``training/graphs.py``.
"""

import contextlib
import ctypes
import errno
import gc
import platform
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import torch
from torch import Tensor

from automl_tf.errors import Place, UserError, causes
from automl_tf.processor import bf16_query_gain, processor_name, product_speed

Precision = Literal["fp32", "bf16"]
"""Arithmetic of the forward and backward pass."""

GPU_TYPES: tuple[str, ...] = ("cuda",)
"""Types of devices that are treated as GPUs. Tests add ``cpu`` to run the GPU branches."""
FIRST_FAST_AT_BF16 = (8, 0)
"""Compute capability (Ampere) from which a GPU multiplies bf16 faster than fp32."""

LEAST_GAIN = 1.1
"""bf16 is chosen if fp32 takes at least this many times as long: it has fewer digits."""
LEAST_QUERY_GAIN = 1.25
"""The same for the attention of single queries in decoding."""
MMAP_MAX, TRIM_THRESHOLD, TOP_PAD = -4, -1, -2
"""Names of glibc's malloc options (malloc.h)."""

_OUT_OF_MEMORY = (
    "out of memory",
    "allocate memory",
    "not enough memory",
    "bad_alloc",
    "STATUS_ALLOC_FAILED",
    "HOST_ALLOCATION_FAILED",
    "previous error during capture",  # of a CUDA graph that ran out of memory
)
_STICKY = (
    "device-side assert",
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "address space",
    "invalid program counter",
    "launch failure",
    "launch timed out",
    "hardware stack error",
    "uncorrectable",
    "unhandled cuda error",
)
"""Errors after which every call of a process's CUDA context fails (CUDA's ``cudaError_t``)."""


# Which device.


def is_gpu(where: Tensor | torch.device | str) -> bool:
    """Returns whether a tensor lies on a GPU, or a device is one."""
    device = where.device if isinstance(where, Tensor) else torch.device(where)
    return device.type in GPU_TYPES


def has_fused_kernels(tensor: Tensor) -> bool:
    """Returns whether this package has kernels for a tensor's device: for CPUs and CUDA GPUs."""
    return is_gpu(tensor) or tensor.device.type == "cpu"


def num_gpus() -> int:
    """Returns the number of GPUs that this process sees."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def has_gpu() -> bool:
    """Returns whether this process computes on a GPU."""
    return num_gpus() > 0


def default_device() -> torch.device:
    """Returns the device of this process: its first GPU, or the CPU."""
    return torch.device("cuda" if has_gpu() else "cpu")


def device_name() -> str:
    """Returns the model of the GPU, or of the processor."""
    return torch.cuda.get_device_name() if has_gpu() else processor_name()


def lightning_accelerator() -> Literal["cuda", "cpu"]:
    """Returns Lightning's name of the device; its ``auto`` would take Apple's GPUs."""
    return "cuda" if has_gpu() else "cpu"


def lightning_device(rank: int = 0) -> dict[str, Any]:
    """Returns Lightning's options of the device that a process trains on, by their names."""
    accelerator = lightning_accelerator()
    return {"accelerator": accelerator, "devices": [rank] if has_gpu() else 1}


def lightning_precision(precision: Precision) -> Literal["32-true", "bf16-true"]:
    """Returns Lightning's name of an arithmetic."""
    return "bf16-true" if precision == "bf16" else "32-true"


def take_gpu_of_rank(rank: int) -> torch.device | None:
    """Makes the GPU of a process of several the one it computes on; None on the CPU."""
    if not has_gpu():
        return None
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    return device


def collective_backend() -> Literal["nccl", "gloo"]:
    """Returns the library by which the processes of several devices add up their gradients."""
    return "nccl" if has_gpu() else "gloo"


def check_devices(number: int) -> None:
    """Refuses more devices than there are GPUs. Without GPUs, any number of processes will do.

    Raises:
        UserError: With both numbers.
    """
    available = num_gpus()
    if 0 < available < number:
        raise UserError(
            f"trainer.devices = {number}, but this machine has {available} GPU"
            f"{'' if available == 1 else 's'}.",
            f"Use {available}, or hide them with CUDA_VISIBLE_DEVICES= to train on the CPU.",
            Place(key="trainer.devices"),
        )


def move(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Returns a tensor on a device, copied from pinned memory while the GPU computes."""
    if has_gpu() and is_gpu(device) and not is_gpu(tensor):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def synchronize() -> None:
    """Waits until the GPU, if there is one, has done all that it was given."""
    if has_gpu():
        torch.cuda.synchronize()


# Which arithmetic and which kernels.


def choose_attention_kernels() -> None:
    """Lets attention use its flash, memory-efficient and plain kernels on a GPU, and not cuDNN's.

    cuDNN's comes first on Hopper and Blackwell and builds a plan for each shape, about a second
    each; batches have dozens of shapes.
    """
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    torch.backends.cuda.enable_flash_sdp(enabled=True)
    torch.backends.cuda.enable_mem_efficient_sdp(enabled=True)
    torch.backends.cuda.enable_math_sdp(enabled=True)


def resolve_precision(
    setting: Literal["auto", "fp32", "bf16"], cache: Path | None = None
) -> Precision:
    """Returns the arithmetic of a setting; ``auto`` is the faster one on this machine.

    GPUs go by their compute capability: fp32 before Ampere (V100, T4), which is slow at bf16.
    A processor's products are measured, once a machine: its flags do not tell.

    Args:
        setting: Value of ``training.precision``.
        cache: Directory that keeps measurements.
    """
    if setting != "auto":
        return setting
    if has_gpu():
        capabilities = map(torch.cuda.get_device_capability, range(num_gpus()))
        return "bf16" if min(capabilities) >= FIRST_FAST_AT_BF16 else "fp32"
    speed = product_speed(cache)
    return "bf16" if speed.bf16 >= LEAST_GAIN * speed.fp32 else "fp32"


def core_flops(precision: Precision, cache: Path | None = None) -> float | None:
    """Returns the floating-point operations a second of one core in matrix products.

    Args:
        precision: Their arithmetic.
        cache: Directory that keeps measurements.

    Returns:
        The measured speed; None on a machine whose GPUs train.
    """
    if has_gpu():
        return None
    speed = product_speed(cache)
    return 1e9 * (speed.bf16 if precision == "bf16" else speed.fp32)


def inference_dtype() -> torch.dtype:
    """Returns the type of a model's numbers in translation: bf16 on GPUs that are fast at it.

    On the CPU a single query is bound by memory and calls, and fp32 is the faster one.
    """
    is_bf16 = has_gpu() and resolve_precision("auto") == "bf16"
    return torch.bfloat16 if is_bf16 else torch.float32


def single_query_dtype(like: Tensor) -> torch.dtype:
    """Returns the type of keys and values that one query at a time looks at, as decoding does.

    That of the model; fp32 beside a model in bf16 on a processor whose attention is no faster in
    bf16. It is measured once a process: processors with matrix units (AMX) are faster.
    """
    if like.dtype != torch.bfloat16 or is_gpu(like):
        return like.dtype
    return like.dtype if bf16_query_gain() >= LEAST_QUERY_GAIN else torch.float32


# How much memory.


def keep_to_share(share: float) -> None:
    """Limits this process to a share of the memory of each GPU, above 0 and at most 1.

    Where several processes train on one GPU, the one that needs more than its share then runs out
    of memory, and not whichever comes last.
    """
    for gpu in range(num_gpus()):
        torch.cuda.set_per_process_memory_fraction(share, gpu)


def keep_freed_memory() -> None:
    """Tells glibc to keep the memory of freed tensors for the next step.

    At its defaults it returns large blocks to the system at once, and the system hands them out
    again filled with zeros: a fifth and more of a small model's time.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(TOP_PAD, 64 * 2**20)


def free_memory() -> None:
    """Returns unused memory to the system. Call it when the error that held it is gone."""
    gc.collect()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)
    if has_gpu():
        torch.cuda.empty_cache()


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


class PeakMemory:
    """The most memory that is held from now on: reserved by torch on the GPU, or by the process.

    What earlier trainings of this process have freed is returned first and does not count.
    """

    def __init__(self) -> None:
        free_memory()
        self._most_seen = 0.0
        if has_gpu():
            torch.cuda.reset_peak_memory_stats()
            return
        # 5 resets the peak to what is held now (Linux, proc(5)).
        self._is_kept = False
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
            self._is_kept = True

    def megabytes(self) -> float:
        """Returns the peak so far, in MB; where the system keeps none, the most at any call."""
        if has_gpu():
            return torch.cuda.max_memory_reserved() / 2**20
        if self._is_kept:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
            if found is not None:
                return int(found[1]) / 2**10
        self._most_seen = max(self._most_seen, psutil.Process().memory_info().rss / 2**20)
        return self._most_seen


def machine_load() -> dict[str, float]:
    """Returns how busy the machine is, under the names of MLflow's system metrics.

    The share of the processors is that since the last call, zero at the first.
    """
    memory = psutil.virtual_memory()
    load = {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / 2**20,
        "system/system_memory_usage_percentage": memory.percent,
    }
    if has_gpu():
        free, total = torch.cuda.mem_get_info()
        load["system/gpu_0_memory_usage_megabytes"] = (total - free) / 2**20
        load["system/gpu_0_memory_usage_percentage"] = 100 * (total - free) / total
    return load


# What an error means.


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error, or one behind it, says that memory ran out on any device."""
    return any(map(_lacks_memory, causes(error)))


def _lacks_memory(error: BaseException) -> bool:
    match error:
        case MemoryError() | torch.OutOfMemoryError():
            return True
        case OSError():
            return error.errno == errno.ENOMEM
        case RuntimeError():
            return any(words in str(error) for words in _OUT_OF_MEMORY)
    return False


def is_sticky(error: BaseException) -> bool:
    """Returns whether the CUDA context of this process is dead: only a new process can go on.

    An error that is not known is sticky if the GPU does not answer after it.
    """
    texts = [str(cause) for cause in causes(error) if isinstance(cause, RuntimeError)]
    if any(words in text for text in texts for words in _STICKY):
        return True
    return any("CUDA" in text for text in texts) and not _gpu_answers()


def _gpu_answers() -> bool:
    if not has_gpu():
        return True
    try:
        torch.zeros(1, device="cuda").item()
    except RuntimeError as error:
        return is_out_of_memory(error)
    return True


# Random numbers, from which dropout draws its masks.


def random_state(device: torch.device) -> dict[str, Any]:
    """Returns the state of torch's generators on the CPU and on a process's own device."""
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"cpu": torch.get_rng_state(), "cuda": on_gpu}


def restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Restores what ``random_state`` returned, as far as this machine has the device."""
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)


def seed_apart(*numbers: int) -> None:
    """Seeds torch's generators with a stream of its own for each list of numbers."""
    torch.manual_seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]))
