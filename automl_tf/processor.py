"""The processor: its model, and how fast one core multiplies matrices in fp32 and in bf16."""

import contextlib
import functools
import hashlib
import json
import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

SHAPES = ((64, 192), (128, 384), (256, 1024))
"""Inputs and outputs of the linear layers whose products are measured."""
POSITIONS = 1024
"""Positions of each measured product."""
REPEATS = 3
QUERIES, KEYS, QUERY_WIDTH, QUERY_REPEATS = 512, 24, 64, 9
"""Sizes of the attention that is measured."""
GIVE_UP = 4.0
"""Slowness of bf16, in times of fp32, at which no larger products are measured."""


@dataclass(frozen=True)
class ProductSpeed:
    """Speed of matrix products of a Transformer's shapes on one core, in GFLOP/s.

    Attributes:
        fp32: In fp32.
        bf16: In bf16.
    """

    fp32: float
    bf16: float


def processor_name() -> str:
    """Returns the model of the processor."""
    return _processor()["model name"]


def product_speed(cache: Path | None = None) -> ProductSpeed:
    """Returns the measured speed of this machine's processor.

    Args:
        cache: Directory that keeps it by processor and version of torch.
    """
    if cache is None:
        return _measured()
    key = json.dumps([_processor(), torch.__version__], sort_keys=True)
    path = cache / "machines" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        return ProductSpeed(**json.loads(path.read_text()))
    speed = _measured()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{time.monotonic_ns()}.partial")
        partial.write_text(json.dumps(asdict(speed)))
        partial.replace(path)
    return speed


@functools.cache
def bf16_query_gain() -> float:
    """Returns how many times as long attention of single queries takes in fp32 as in bf16.

    In fp32 it is batched products, in bf16 torch's fused kernel, each the faster one of its type.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        query, keys = torch.ones(QUERIES, 1, QUERY_WIDTH), torch.ones(QUERIES, KEYS, QUERY_WIDTH)
        query_bf16, keys_bf16 = query.bfloat16()[None], keys.bfloat16()[None]

        def in_fp32() -> None:
            torch.bmm(torch.softmax(torch.bmm(query, keys.mT), dim=-1), keys)

        def in_bf16() -> None:
            F.scaled_dot_product_attention(query_bf16, keys_bf16, keys_bf16)

        with torch.inference_mode():
            return _least_time(in_fp32, QUERY_REPEATS) / _least_time(in_bf16, QUERY_REPEATS)
    finally:
        torch.set_num_threads(threads)


@functools.cache
def _measured() -> ProductSpeed:
    """Measures for some tens of milliseconds, in CPU time, so that a busy machine does not count.

    One thread stands for all: what is compared is a core's arithmetic.
    """
    operations, seconds_fp32, seconds_bf16 = 0.0, 0.0, 0.0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for shape in SHAPES:
            fp32, bf16 = (_least_seconds(*shape, kind) for kind in (torch.float32, torch.bfloat16))
            operations += 6.0 * POSITIONS * shape[0] * shape[1]
            seconds_fp32, seconds_bf16 = seconds_fp32 + fp32, seconds_bf16 + bf16
            if bf16 > GIVE_UP * fp32:
                break
    finally:
        torch.set_num_threads(threads)
    return ProductSpeed(operations / seconds_fp32 / 1e9, operations / seconds_bf16 / 1e9)


def _least_seconds(inputs: int, outputs: int, dtype: torch.dtype) -> float:
    """CPU seconds of a linear layer's forward and backward products, the least of some."""
    x, weight = torch.ones(POSITIONS, inputs, dtype=dtype), torch.ones(outputs, inputs, dtype=dtype)

    def products() -> None:
        y = F.linear(x, weight)
        _ = y @ weight, y.t() @ x

    return _least_time(products, REPEATS)


def _least_time(work: Callable[[], None], repeats: int) -> float:
    """CPU seconds of a piece of work, the least of some after a first time."""
    seconds = []
    for _ in range(1 + repeats):
        start = time.thread_time()
        work()
        seconds.append(time.thread_time() - start)
    return max(min(seconds[1:]), 1e-9)


@functools.cache
def _processor() -> dict[str, str]:
    """Model, stepping and instructions of the processor."""
    name = platform.processor() or platform.machine()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {"model name": name}
    fields = re.findall(r"^(model name|model|stepping|flags)\s*: (.*)$", text, re.MULTILINE)
    return {"model name": name} | dict(reversed(fields))
