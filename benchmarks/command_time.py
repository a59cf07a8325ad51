"""CPU-seconds of the commands that read a study of ten trials, against importing Optuna.

    python benchmarks/command_time.py

The commands run turn by turn, each in a process of its own; the median counts. Importing Optuna and
SQLAlchemy is what no command that reads a study can do without.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automl_tf.config.space import Choices, Space
from automl_tf.config.study import StudyConfig
from automl_tf.search.opening import open_study
from automl_tf.search.schema import NUM_PARAMETERS, VALIDATIONS, StudyRecord
from automl_tf.search.storage import default_url, open_storage
from reporting import Table, new_plot, number, publish, ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRIALS = 10
NAME = "ten"
WIDTHS, HEADS = (64, 128), (2, 4)
REFERENCE = "import optuna, sqlalchemy"
GOALS = {"show": 1.5, "studies": 1.5, "export": 1.5, "report": 3.0}
"""CPU-seconds."""


def main() -> None:
    """Measures all commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in (REFERENCE, *GOALS)}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _write_study(home)
        for _ in range(options.turns):
            seconds[REFERENCE].append(_cpu_seconds(["-c", REFERENCE], home))
            for name in GOALS:
                words = ["-m", "automl_tf", name, *([] if name == "studies" else [NAME])]
                seconds[name].append(_cpu_seconds([*words, "--home", str(home)], home))
    medians = {name: statistics.median(measured) for name, measured in seconds.items()}
    publish("command_time", [_table(medians)], seconds, _plot(medians))


def _write_study(home: Path) -> None:
    """A study of ten trials, nine of them complete."""
    space = Space(
        {"model.d_model": Choices(choices=WIDTHS), "model.num_heads": Choices(choices=HEADS)}
    )
    given = {"name": NAME, "space": "space.yaml", "corpus": {"kind": "synthetic"}}
    config = StudyConfig.model_validate({**given, "budget": {"trials": TRIALS}})
    storage = open_storage(default_url(home), home)
    study = open_study(storage, StudyRecord(config, space, "0" * 64))
    for number_of_trial in range(TRIALS):
        trial = study.ask()
        trial.suggest_categorical("model.d_model", WIDTHS)
        trial.suggest_categorical("model.num_heads", HEADS)
        trial.set_user_attr(NUM_PARAMETERS, 1000 + number_of_trial)
        bleu = 20.0 + number_of_trial
        curve = {str(step): {"bleu": bleu, "chrf": 2 * bleu} for step in (400, 800)}
        trial.set_user_attr(VALIDATIONS, curve)
        study.tell(trial, bleu)


def _cpu_seconds(words: Sequence[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _table(medians: dict[str, float]) -> Table:
    rows = [
        (
            name,
            number(seconds),
            ratio(seconds / medians[REFERENCE]),
            f"at most {GOALS[name]:g}" if name in GOALS else "",
        )
        for name, seconds in medians.items()
    ]
    columns = ("command", "CPU-seconds", "of the import", "goal")
    return Table(f"Reading a study of {TRIALS} trials", columns, tuple(rows))


def _plot(medians: dict[str, float]) -> "Figure":
    figure, [axes] = new_plot()
    axes.barh(list(medians), list(medians.values()))
    for place, name in enumerate(medians):
        if name in GOALS:
            axes.plot(GOALS[name], place, "*", color="gray", markersize=10)
    axes.set_xlabel("CPU-seconds (star: goal)")
    axes.invert_yaxis()
    return figure


if __name__ == "__main__":
    main()
