"""Cases that are measured each in a fresh process, turn by turn, and their medians.

A fresh process has an allocator, caches and imports of its own; turns spread whatever else the
machine does over all cases alike.
"""

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

CASE = "--case"

Case = Mapping[str, Any]
"""What a process is to measure, in JSON's types."""

Result = dict[str, float]
"""What it measured."""


class Stopwatch:
    """CPU time of the steps of a training, its first steps left out.

    Args:
        seconds: CPU-seconds to measure, in whole steps.
        least_steps: Steps to measure at least.
        warmup_steps: Steps that are left out at most.
        warmup_seconds: CPU-seconds after which no more steps are left out; one always is.
    """

    def __init__(
        self,
        seconds: float,
        least_steps: int = 2,
        warmup_steps: int = 20,
        warmup_seconds: float = 1.0,
    ) -> None:
        self._seconds = seconds
        self._least_steps = least_steps
        self._warmup_steps = warmup_steps
        self._warmup_seconds = warmup_seconds
        self._created = time.process_time()
        self._first: int | None = None
        self._started = self.elapsed = 0.0
        self.steps = 0

    def lap(self) -> bool:
        """Notes the end of a step; whether enough was measured."""
        now = time.process_time()
        self.steps += 1
        if self._first is None:
            is_warm = now - self._created >= self._warmup_seconds
            if is_warm or self.steps >= self._warmup_steps:
                self._first, self._started = self.steps, time.process_time()
            return False
        self.elapsed = now - self._started
        return self.elapsed >= self._seconds and self.steps - self._first >= self._least_steps

    def measured(self, amounts: Sequence[int]) -> int:
        """The sum over the measured steps of what each step did."""
        return sum(amounts[self._first : self.steps])

    @property
    def seconds_a_step(self) -> float:
        """CPU-seconds of a measured step on average."""
        assert self._first is not None, "nothing was measured"
        return self.elapsed / (self.steps - self._first)


def answer(measure: Callable[[Case], Result]) -> bool:
    """Measures the case that this process was started for; False if it was started by a person."""
    if sys.argv[1:2] != [CASE]:
        return False
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    result = measure(json.loads(sys.argv[2]))
    print(f"\n{json.dumps(result)}")
    return True


def measure_fresh(script: str, case: Case, threads: int = 1) -> Result:
    """What a script measures in a process of its own.

    Args:
        script: The script, which calls ``answer``.
        case: What it is to measure.
        threads: Threads that torch may use.
    """
    done = subprocess.run(
        [sys.executable, script, CASE, json.dumps(case)],
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def measure_in_turns(
    script: str, cases: Mapping[str, Case], repeats: int
) -> dict[str, list[Result]]:
    """Measures all cases, then all of them again, and so on.

    Args:
        script: The script, which calls ``answer``.
        cases: What to measure, by name. A case's own ``repeats`` goes before the general one.
        repeats: Times that each is measured.
    """
    results: dict[str, list[Result]] = {name: [] for name in cases}
    for turn in range(repeats):
        for name, case in cases.items():
            if turn < case.get("repeats", repeats):
                print(f"turn {turn + 1}: {name}", file=sys.stderr, flush=True)
                results[name].append(measure_fresh(script, case))
    return results


def medians(results: Sequence[Result]) -> Result:
    """The median of each figure over several measurements of one case."""
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def command_line(name: str) -> str:
    """What was typed to run a benchmark; where files lie is nobody else's concern."""
    words = [
        Path(word).name if Path(word).is_absolute() else shlex.quote(word) for word in sys.argv[1:]
    ]
    return " ".join(["python", f"benchmarks/{name}.py", *words])


def machine() -> dict[str, Any]:
    """What the figures depend on beside the code."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "instructions": str(torch.backends.cpu.get_cpu_capability()),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor()
    names = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()
