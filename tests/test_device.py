"""The device policy: arithmetic, memory and errors, without a GPU."""

import errno
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from automl_tf import device, processor
from automl_tf.device import (
    PeakMemory,
    choose_attention_kernels,
    inference_dtype,
    is_gpu,
    is_out_of_memory,
    is_sticky,
    resolve_precision,
    single_query_dtype,
)
from automl_tf.processor import ProductSpeed, bf16_query_gain, product_speed

PACKAGE = Path(device.__file__).parent
OWNERS = {"device.py", "training/graphs.py"}
HARDWARE = re.compile(
    r"""\.is_cuda|\.is_mps|torch\.(cuda|mps|backends|cpu|accelerator)\b|["']cuda["':]|["']mps["']"""
    r"""|\.device\.type\b|accelerator["']?[:=] ?["']auto"""
)
MEGABYTE = 2**20

OUT_OF_MEMORY = (
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: operation failed due to a previous error during capture"),
    RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    ),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1"),
    RuntimeError("std::bad_alloc"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
)
STICKY = (
    RuntimeError("CUDA error: device-side assert triggered"),
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: unspecified launch failure"),
    RuntimeError("CUDA error: the launch timed out and was terminated"),
    RuntimeError("CUDA error: misaligned address"),
    RuntimeError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("NCCL error: unhandled cuda error (run with NCCL_DEBUG=INFO for details)"),
)
ORDINARY = (
    ValueError("out of memory"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    RuntimeError("CUDA error: invalid configuration argument"),
    OSError(errno.ENOENT, "No such file"),
    KeyError("device-side assert"),
)


def raised(error: Exception, way: str) -> Exception:
    """The error as it arrives: alone, as a cause, or as what another one was raised beside."""
    if way == "alone":
        return error
    outer = LookupError("later")
    setattr(outer, "__cause__" if way == "cause" else "__context__", error)
    return outer


@pytest.mark.parametrize("way", ["alone", "cause", "context"])
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_out_of_memory_is_recognised(error: Exception, way: str) -> None:
    assert is_out_of_memory(raised(error, way))
    assert not is_sticky(raised(error, way))


@pytest.mark.parametrize("way", ["alone", "cause", "context"])
@pytest.mark.parametrize("error", STICKY, ids=str)
def test_errors_of_a_dead_context_are_sticky(error: Exception, way: str) -> None:
    assert is_sticky(raised(error, way))
    assert not is_out_of_memory(raised(error, way))


@pytest.mark.parametrize("error", ORDINARY, ids=repr)
def test_other_errors_are_neither(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert not is_sticky(error)


def test_a_cause_does_not_hide_what_the_error_was_raised_beside() -> None:
    error = LookupError("wrapped")
    error.__cause__, error.__context__ = ValueError("a cause"), MemoryError()
    assert is_out_of_memory(error)


def test_errors_that_are_their_own_cause_end() -> None:
    first, second = ValueError("one"), ValueError("two")
    first.__context__, second.__context__ = second, first
    assert not is_out_of_memory(first)


def test_an_unknown_cuda_error_is_sticky_where_the_gpu_does_not_answer(monkeypatch) -> None:
    error = RuntimeError("CUDA error: something that is new")
    assert not is_sticky(error)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    def fail(*_size: int, **_options: str) -> torch.Tensor:
        raise error

    monkeypatch.setattr(torch, "zeros", fail)
    assert is_sticky(error)
    assert not is_sticky(RuntimeError("shapes do not fit"))


def test_hardware_is_asked_for_in_one_module() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if str(path.relative_to(PACKAGE)) not in OWNERS
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if HARDWARE.search(line)
    }
    assert not found


@pytest.mark.parametrize("where", [torch.zeros(1), torch.device("cpu"), "cpu"])
def test_the_gpu_branches_can_be_run_on_the_cpu(monkeypatch, where: object) -> None:
    assert not is_gpu(where)
    monkeypatch.setattr(device, "GPU_TYPES", ("cuda", "cpu"))
    assert is_gpu(where)


def test_gpus_are_told_by_their_type() -> None:
    assert is_gpu("cuda:1")
    assert is_gpu(torch.device("cuda", 3))
    assert not is_gpu("mps")


def test_apples_gpus_are_not_used(monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.lightning_device() == {"accelerator": "cpu", "devices": 1}
    assert device.default_device() == torch.device("cpu")


def test_attention_never_takes_the_kernel_that_plans_each_shape() -> None:
    torch.backends.cuda.enable_cudnn_sdp(enabled=True)
    choose_attention_kernels()
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()
    assert torch.backends.cuda.math_sdp_enabled()


@pytest.fixture
def measured(monkeypatch) -> Iterator[list[ProductSpeed]]:
    """What measuring finds, the last item; how often it is done shows as missing items."""
    found: list[ProductSpeed] = []
    monkeypatch.setattr(processor, "_measured", found.pop)
    return found


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (ProductSpeed(147.0, 82.0), "fp32"),  # an Intel Xeon with avx512_bf16 and no AMX
        (ProductSpeed(101.0, 447.0), "bf16"),  # an AMD EPYC
        (ProductSpeed(100.0, 105.0), "fp32"),  # not worth the digits
    ],
)
def test_auto_goes_by_the_measured_products(measured, speed, expected) -> None:
    measured.append(speed)
    assert resolve_precision("auto") == expected
    assert resolve_precision("fp32") == "fp32"
    assert resolve_precision("bf16") == "bf16"


def test_products_are_measured_once_a_machine(measured, tmp_path, monkeypatch) -> None:
    measured += [ProductSpeed(9.0, 9.0), ProductSpeed(100.0, 50.0), ProductSpeed(100.0, 400.0)]
    assert resolve_precision("auto", tmp_path) == "bf16"
    assert resolve_precision("auto", tmp_path) == "bf16"
    assert len(measured) == 2
    monkeypatch.setattr(processor, "_processor", lambda: {"model name": "another"})
    assert resolve_precision("auto", tmp_path) == "fp32"
    assert resolve_precision("auto", tmp_path) == "fp32"
    assert len(list((tmp_path / "machines").glob("*.json"))) == 2


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]", '{"fp32": 1.0}'])
def test_a_damaged_measurement_is_repeated(measured, tmp_path, text: str) -> None:
    measured += [ProductSpeed(1.0, 3.0), ProductSpeed(1.0, 2.0)]
    product_speed(tmp_path)
    (path,) = (tmp_path / "machines").glob("*.json")
    path.write_text(text)
    assert product_speed(tmp_path) == ProductSpeed(1.0, 3.0)
    assert json.loads(path.read_text()) == {"fp32": 1.0, "bf16": 3.0}


def test_a_cache_that_cannot_be_written_only_costs_time(measured, tmp_path) -> None:
    measured.append(ProductSpeed(1.0, 2.0))
    (tmp_path / "machines").write_text("no directory")
    assert product_speed(tmp_path) == ProductSpeed(1.0, 2.0)


def test_measuring_leaves_the_threads_alone() -> None:
    threads = torch.get_num_threads()
    speed = processor._measured.__wrapped__()
    assert torch.get_num_threads() == threads
    assert speed.fp32 > 0
    assert speed.bf16 > 0


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([(7, 0)], "fp32"), ([(7, 5)], "fp32"), ([(8, 0)], "bf16"), ([(9, 0), (7, 5)], "fp32")],
)
def test_gpus_go_by_their_compute_capability(monkeypatch, capabilities, expected) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
    monkeypatch.setattr(torch.cuda, "get_device_capability", capabilities.__getitem__)
    assert resolve_precision("auto") == expected
    assert inference_dtype() == {"fp32": torch.float32, "bf16": torch.bfloat16}[expected]


@pytest.mark.parametrize(
    ("gain", "expected"), [(0.5, torch.float32), (1.1, torch.float32), (1.5, torch.bfloat16)]
)
def test_single_queries_go_by_their_measured_attention(monkeypatch, gain, expected) -> None:
    monkeypatch.setattr("automl_tf.device.bf16_query_gain", lambda: gain)
    assert single_query_dtype(torch.zeros(1, dtype=torch.bfloat16)) == expected
    for dtype in (torch.float32, torch.float64):
        assert single_query_dtype(torch.zeros(1, dtype=dtype)) == dtype


def test_attention_of_single_queries_is_measured_once() -> None:
    assert 0 < bf16_query_gain() == bf16_query_gain()


def test_translation_on_the_cpu_is_in_fp32() -> None:
    assert inference_dtype() == torch.float32


PEAK = f"""
import sys, torch
from automl_tf.device import PeakMemory, keep_freed_memory
keep_freed_memory()
fill = lambda size: torch.ones(size * {MEGABYTE} // 4)
before = PeakMemory().megabytes()
del before
fill(600)
earlier = PeakMemory()
start = earlier.megabytes()
fill(200)
first = earlier.megabytes() - start
fill(100)
second = earlier.megabytes() - start
print(start, first, second)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is sampled elsewhere")
def test_the_peak_is_that_of_the_trial_and_not_of_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PEAK], capture_output=True, text=True, check=True, timeout=120
    )
    start, first, second = map(float, done.stdout.split())
    assert start < 600
    assert first == pytest.approx(200, abs=20)
    assert second == pytest.approx(first, abs=5)


def test_without_a_kept_peak_the_most_that_was_seen_counts(monkeypatch) -> None:
    def refuse(*_text: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refuse)
    peak = PeakMemory()
    seen = peak.megabytes()
    assert seen > 0
    kept = torch.ones(100 * MEGABYTE // 4)
    assert peak.megabytes() >= seen + 50
    del kept
