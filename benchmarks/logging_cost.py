"""What it costs to tell MLflow of trials: of a trial's time, and where a store holds many already.

    python benchmarks/logging_cost.py

- trial: the first trial of the quickstart, once as it is and once with all that is logged thrown
  away; timers stand round what is made and handed over for MLflow, and round its delivery;
- store: trials are told, without training, to a store that holds none and to one that holds
  hundreds. What the search waits for is wall time of the thread that trains; the delivery is CPU
  time of the thread behind it, which runs while the training goes on.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import Case, Result, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, percent, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STUDY = Path(__file__).parent.parent / "studies" / "quickstart.yaml"
SHARE_GOAL, WAIT_GOAL = "2 %", "50 ms"
MANY = 500
LOGGED, THROWN_AWAY = "logged", "thrown away"


def measure(case: Case) -> Result:
    """Measures one part."""
    import logging_parts as parts

    with tempfile.TemporaryDirectory() as name:
        if case["part"] == "trial":
            return parts.trial(STUDY, Path(name), case["words"], is_logged=case["is_logged"])
        return parts.store(STUDY, Path(name), case["trials"])


def main() -> None:
    """Measures a trial with and without MLflow, and the telling of trials to stores."""
    options = _options()
    words = [f"fixed.training.max_steps={options.steps}"] if options.steps else []
    trial = {"part": "trial", "words": words}
    cases: dict[str, Case] = {
        LOGGED: {**trial, "is_logged": True},
        THROWN_AWAY: {**trial, "is_logged": False},
        "none": {"part": "store", "trials": 0},
        "many": {"part": "store", "trials": options.trials},
    }
    results = measure_in_turns(__file__, cases, options.repeats)
    middle = {name: medians(result) for name, result in results.items()}
    share = _logging(middle[LOGGED]) / middle[LOGGED]["trial"]
    publish(
        "logging_cost",
        [_trial_table(middle, share), _store_table(middle, options.trials)],
        {"cases": results, "share": share},
        _plot(middle, options.trials),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--trials", type=int, default=MANY, help="in the store that holds many")
    parser.add_argument("--steps", type=int, help="of the trial, instead of the quickstart's")
    return parser.parse_args()


def _logging(trial: Result) -> float:
    return trial["handed over"] + trial["maps"] + trial["delivery"]


def _trial_table(middle: Mapping[str, Result], share: float) -> Table:
    told, untold = middle[LOGGED], middle[THROWN_AWAY]
    parts = {
        "attention maps made": told["maps"],
        "pictures, samples and values handed over": told["handed over"],
        "delivery to a local store, in its own thread": told["delivery"],
    }
    rows = [
        (name, number(1000 * seconds), percent(seconds / told["trial"]), "-")
        for name, seconds in parts.items()
    ]
    rows.append(("together", number(1000 * _logging(told)), percent(share), SHARE_GOAL))
    rows += [
        (f"the whole trial, {name}", number(1000 * case["trial"]), "-", "-")
        for name, case in ((LOGGED, told), (THROWN_AWAY, untold))
    ]
    rows.append(("connecting to a new store, once a worker", number(1000 * told["once"]), "-", "-"))
    return Table(
        "CPU time of logging a trial of the quickstart, ms",
        ("part", "measured", "of the trial", "goal: under"),
        tuple(rows),
    )


def _store_table(middle: Mapping[str, Result], trials: int) -> Table:
    none, many = middle["none"], middle["many"]
    names = {
        "the search waits (wall time)": ("waits", WAIT_GOAL),
        "delivery (CPU time of its thread)": ("delivery", "-"),
        "the study's own run: best so far, counts (wall time)": ("refresh", WAIT_GOAL),
        "leaderboard, best.yaml and report, each time that they are made (CPU time)": (
            "files",
            "-",
        ),
    }
    rows = tuple(
        (name, number(1000 * none[key]), number(1000 * many[key]), goal)
        for name, (key, goal) in names.items()
    )
    return Table(
        "Cost of telling a trial of eight validations, ms a trial, by trials in the store",
        ("part", "none", f"{trials:,}", "goal: under"),
        rows,
    )


def _plot(middle: Mapping[str, Result], trials: int) -> "Figure":
    figure, [left, right] = new_plot(2)
    told: dict[str, Any] = middle[LOGGED]
    parts = ("maps", "handed over", "delivery")
    left.barh(parts, [100 * told[part] / told["trial"] for part in parts])
    left.set_xlabel("percent of a trial's CPU time")
    left.set_title("Logging a trial of the quickstart", fontsize=10)
    for shift, (name, case) in enumerate((("none", "none"), (f"{trials:,}", "many"))):
        heights = [1000 * middle[case][key] for key in ("waits", "delivery")]
        right.bar([place + 0.4 * shift for place in (0, 1)], heights, width=0.4, label=name)
    right.set_xticks([0.2, 1.2], ["search waits", "delivery"])
    right.set_ylabel("ms a trial")
    right.legend(title="trials in the store")
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
