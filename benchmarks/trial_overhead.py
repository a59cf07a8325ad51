"""What a trial costs beside its arithmetic: its start, and the shares of the libraries around it.

    python benchmarks/trial_overhead.py
    python benchmarks/trial_overhead.py --parts start trial

Real searches and trainings run with timers around the functions of the libraries:

- start: a worker with two trials on the whole corpus; wall time until their first steps;
- trial: trials of few steps with as many validations as a default one, on few validation pairs;
- validation: a training up to the first validation at the default interval;
- loop: steps of a model so small that what is not their work is Lightning's loop and hooks.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_tf.config.settings import TrainingConfig
from contest import STUDY, corpus
from handwritten import SHAPES, Shape
from measuring import Case, Result, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, percent, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPE, SMALLEST_SHAPE = "d128/3", "d64/2"
MODELS = {**SHAPES, "tiny": Shape(d_model=8, layers=1, heads=1, d_ff=8)}
DEFAULTS = TrainingConfig()
VALIDATIONS = DEFAULTS.max_steps // DEFAULTS.validate_every
CHECKPOINTS = "checkpoints (within the validations)"
LIGHTNING = "Lightning (within the steps)"
WITHIN = (CHECKPOINTS, LIGHTNING)
START_GOAL, VALIDATION_GOAL, LIGHTNING_GOAL = "0.5 s", "3 %", "2 %"
PARTS: dict[str, dict[str, Any]] = {
    "start": {"repeats": 3},
    "trial": {"repeats": 1},
    "validation": {"repeats": 1, "steps": DEFAULTS.validate_every},
    "loop": {"repeats": 2, "shape": "tiny", "batch_tokens": 129},
    "loop of the smallest": {
        "repeats": 2,
        "shape": SMALLEST_SHAPE,
        "batch_tokens": DEFAULTS.batch_tokens,
    },
}


def measure(case: Case) -> Result:
    """Measures one part."""
    import overhead_parts as parts

    study, part = Path(case["study"]), case["part"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if part == "start":
            return parts.start_of_trials(study, MODELS[SHAPE], folder)
        if part == "trial":
            return parts.libraries(study, MODELS[SHAPE], folder, VALIDATIONS)
        if part == "validation":
            return parts.validation(study, MODELS[SHAPE], folder, case["steps"])
        return parts.loop(study, MODELS[case["shape"]], folder, case["batch_tokens"])


def main() -> None:
    """Measures the chosen parts and relates them to a default trial."""
    options = _options()
    names = [name for name in PARTS if name.partition(" ")[0] in options.parts]
    cases: dict[str, Case] = {
        name: {**PARTS[name], "part": name, "study": str(options.study)} for name in names
    }
    if options.steps:
        cases = {name: {**case, "steps": options.steps} for name, case in cases.items()}
    corpus(options.study)  # prepared once, before anything is timed
    results = measure_in_turns(__file__, cases, max(case["repeats"] for case in cases.values()))
    middle = {name: medians(result) for name, result in results.items()}
    tables = []
    if "start" in middle:
        tables.append(_start_table(middle["start"]))
    shares: dict[str, float] = {}
    if {"trial", "validation", "loop"} <= set(middle):
        shares = _shares(middle)
        tables.append(_share_table(middle, shares))
    publish(
        "trial_overhead",
        tables,
        {"cases": results, "shares": shares},
        _plot(shares),
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is trained on")
    choices = ["start", "trial", "validation", "loop"]
    parser.add_argument("--parts", nargs="+", choices=choices, default=choices)
    parser.add_argument(
        "--steps", type=int, help="steps before the validation, instead of the default interval"
    )
    return parser.parse_args()


def _start_table(start: Result) -> Table:
    rows = (
        ("first trial, from the start of the process", "process", "-"),
        ("of that, imports", "imports", "-"),
        ("first trial, from its claim", "first", "-"),
        ("second trial, from its claim", "second", START_GOAL),
        ("of that, the step itself", "step", "-"),
        ("from the last step of a trial to the first of the next", "between", "-"),
    )
    return Table(
        f"Time to the end of the first optimizer step, {SHAPE}, seconds of wall time",
        ("start of", "measured", "goal: under"),
        tuple((text, number(start[key]), goal) for text, key, goal in rows),
    )


def _shares(middle: Mapping[str, Result]) -> dict[str, float]:
    """CPU-seconds of a default trial by who spends them."""
    trial, validation = middle["trial"], middle["validation"]
    return {
        "steps": validation["seconds_a_step"] * DEFAULTS.max_steps,
        "validation": validation["validation"] * VALIDATIONS,
        CHECKPOINTS: trial["checkpoints"],
        "Optuna": trial["Optuna"],
        "MLflow": trial["MLflow"],
        LIGHTNING: middle["loop"]["Lightning"] * DEFAULTS.max_steps,
    }


def _share_table(middle: Mapping[str, Result], shares: Mapping[str, float]) -> Table:
    whole = sum(seconds for name, seconds in shares.items() if name not in WITHIN)
    units = {
        "steps": (middle["validation"]["seconds_a_step"], "a step"),
        "validation": (middle["validation"]["validation"], "a validation"),
        CHECKPOINTS: (shares[CHECKPOINTS] / VALIDATIONS, "a validation"),
        "Optuna": (shares["Optuna"], "a trial"),
        "MLflow": (shares["MLflow"], "a trial"),
        LIGHTNING: (middle["loop"]["Lightning"], "a step"),
    }
    goals = {"validation": VALIDATION_GOAL, LIGHTNING: LIGHTNING_GOAL}
    rows = tuple(
        (
            name,
            f"{number(1000 * units[name][0])} ms {units[name][1]}",
            number(seconds),
            percent(seconds / whole),
            goals.get(name, "-"),
        )
        for name, seconds in shares.items()
    )
    lightning = middle["loop"]["Lightning"]
    share = lightning / middle["loop of the smallest"]["seconds_a_step"]
    each = f"{number(1000 * lightning)} ms a step"
    rows += ((f"Lightning at {SMALLEST_SHAPE}", each, "-", percent(share), LIGHTNING_GOAL),)
    return Table(
        f"CPU time of a trial of {DEFAULTS.max_steps:,} steps with {VALIDATIONS} validations, "
        f"{SHAPE}, batches of {DEFAULTS.batch_tokens:,} tokens",
        ("part", "each", "CPU-s", "share", "goal: under"),
        rows,
    )


def _plot(shares: Mapping[str, float]) -> "Figure":
    figure, [axes] = new_plot()
    parts = {name: seconds for name, seconds in shares.items() if name != "steps"}
    whole = sum(seconds for name, seconds in shares.items() if name not in WITHIN)
    axes.barh(list(parts), [100 * seconds / whole for seconds in parts.values()])
    axes.invert_yaxis()
    axes.set_xlabel("percent of a trial's CPU time")
    axes.set_title(f"What a default trial costs beside its steps, {SHAPE}", fontsize=10)
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
