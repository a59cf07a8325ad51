"""How preparation scales: pairs a second and peak memory by the number of lines of a corpus.

    python benchmarks/data_scale.py                              # 0.1 and 1 million lines
    python benchmarks/data_scale.py --lines 100000 1000000 10000000

Two text files of made-up words under Zipf's law are written, prepared (read, filtered,
deduplicated, cut into subwords, encoded) and batched for training, for each number of lines in a
process of its own. Memory is the most that the process held at once, libraries and mapped files
counted, and that of its children on top. A corpus of 10 million lines takes 9 GB of disk.
"""

import argparse
import itertools
import re
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from automl_tf.config.settings import TrialConfig
from automl_tf.data.batches import TrainingBatches
from automl_tf.data.prepare import prepare
from measuring import Case, Result, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINES = (100_000, 1_000_000)
HELD_OUT_LINES = 1_000
WORDS = 300_000
"""Different words of each language."""
ZIPF_EXPONENT = 1.07
MEAN_WORDS, SPREAD = 18, 0.45
"""Words of a sentence: median, and standard deviation of the logarithm."""
SHARE_REPEATED = 0.02
LINES_AT_ONCE = 20_000
TIMED_BATCHES = 200
MEGABYTE = 1024
"""In the kilobytes in which the system tells memory."""
PREPARING, PLANNING = "preparing_seconds", "planning_seconds"
IMPORTED, PREPARED, BATCHED = "imported_mb", "prepared_mb", "batched_mb"


def measure(case: Case) -> Result:
    """Prepares a corpus and takes the first batches of an epoch."""
    lines, folder = int(case["lines"]), Path(case["folder"])
    config = _corpus(folder, lines)
    before = _peak_mb()
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        started = time.process_time()
        data = prepare(config, Path(cache))
        prepared, prepared_mb = time.process_time(), _peak_mb()
        batches = TrainingBatches(data.train, config.training.batch_tokens, seed=1)
        planned = time.process_time()
        tokens = sum(batch.num_tokens for batch in itertools.islice(batches, TIMED_BATCHES))
        return {
            "kept": float(len(data.train)),
            "tokens_a_batch": tokens / TIMED_BATCHES,
            PREPARING: prepared - started,
            PLANNING: planned - prepared,
            "batch_ms": 1000 * (time.process_time() - planned) / TIMED_BATCHES,
            IMPORTED: before,
            PREPARED: prepared_mb,
            BATCHED: _peak_mb(),
        }


def write_corpus(folder: Path, lines: int) -> None:
    """Writes a training and a validation split as line-aligned files, unless they are there."""
    rng = np.random.default_rng(lines)
    source, target = _words("bdfgklmn", "aeiou"), _words("prstvwzh", "äeiöü")
    for name, count in (("validation", HELD_OUT_LINES), ("train", lines)):
        paths = [folder / f"{lines}.{name}.{side}" for side in ("source", "target")]
        if paths[1].exists():
            continue
        with paths[0].open("w", encoding="utf-8") as first, paths[1].open("w") as second:
            for drawn in _sentences(rng, count):
                first.write("".join(f"{' '.join(source[ids])}.\n" for ids in drawn))
                second.write("".join(f"{' '.join(target[ids[::-1]])}.\n" for ids in drawn))


def _corpus(folder: Path, lines: int) -> TrialConfig:
    def files(name: str) -> dict[str, str]:
        return {side: str(folder / f"{lines}.{name}.{side}") for side in ("source", "target")}

    corpus = {
        "kind": "files",
        "source_lang": "en",
        "target_lang": "de",
        "train": files("train"),
        "validation": files("validation"),
    }
    return TrialConfig.model_validate({"corpus": corpus})


def _words(consonants: str, vowels: str) -> npt.NDArray[np.object_]:
    """Different words: ranks written in syllables, so that frequent words are short."""
    syllables = [consonant + vowel for consonant in consonants for vowel in vowels]

    def word(rank: int) -> str:
        rest, last = divmod(rank, len(syllables))
        return (word(rest - 1) if rest else "") + syllables[last]

    return np.array([word(rank) for rank in range(WORDS)], dtype=object)


def _sentences(rng: np.random.Generator, count: int) -> Iterator[list[npt.NDArray[np.int64]]]:
    """Sentences as ranks of words, many at a time; some of them stand twice."""
    frequency = np.cumsum(np.arange(1, WORDS + 1) ** -ZIPF_EXPONENT)
    for start in range(0, count, LINES_AT_ONCE):
        number = min(LINES_AT_ONCE, count - start)
        lengths = np.exp(rng.normal(np.log(MEAN_WORDS), SPREAD, number)).astype(np.int64) + 1
        ranks = np.searchsorted(frequency, rng.random(lengths.sum()) * frequency[-1])
        drawn = np.split(ranks, np.cumsum(lengths)[:-1])
        for repeated in rng.integers(0, number, int(SHARE_REPEATED * number)):
            drawn[repeated] = drawn[0]
        yield drawn


def _peak_mb() -> float:
    """The most memory that this process held, and the most that one of its children held."""
    status = Path("/proc/self/status").read_text()
    own = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert own is not None, "Linux tells the memory of a process"
    return (int(own[1]) + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / MEGABYTE


def _table(results: Mapping[int, Result]) -> Table:
    rows = [
        (
            f"{lines:,}",
            number(lines / result[PREPARING]),
            number(result[PREPARING]),
            number(result[PREPARED]),
            number(result[PLANNING]),
            number(result["batch_ms"]),
            number(result[BATCHED]),
        )
        for lines, result in results.items()
    ]
    columns = (
        "lines",
        "pairs/s",
        "preparing, CPU-s",
        "peak MB",
        "planning an epoch, CPU-s",
        "a batch, ms",
        "peak MB with batches",
    )
    return Table("Preparing a corpus and batching it on one core", columns, tuple(rows))


def _plot(results: Mapping[int, Result]) -> "Figure":
    figure, (speed, memory) = new_plot(2)
    lines = list(results)
    speed.plot(lines, [n / result[PREPARING] for n, result in results.items()], marker="o")
    memory.plot(lines, [result[BATCHED] for result in results.values()], marker="o")
    for axes, label in ((speed, "pairs/s"), (memory, "peak MB")):
        axes.set_xscale("log")
        axes.set_xlabel("lines")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
    return figure


def main() -> None:
    """Measures what was asked for and publishes it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, nargs="+", default=LINES, help="numbers of lines")
    parser.add_argument("--folder", type=Path, help="where corpora are written and kept")
    parser.add_argument("--repeats", type=int, default=1, help="measurements of each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        for lines in arguments.lines:
            write_corpus(folder, lines)
        cases = {str(lines): {"lines": lines, "folder": str(folder)} for lines in arguments.lines}
        measured = measure_in_turns(__file__, cases, arguments.repeats)
    results = {int(lines): medians(found) for lines, found in measured.items()}
    publish("data_scale", [_table(results)], {"cases": measured}, _plot(results))


if __name__ == "__main__":
    if not answer(measure):
        main()
