"""What validating on few sentences early on saves, and how well they rank trials.

    python benchmarks/growing_validation.py
    python benchmarks/growing_validation.py --parts ranking

- saving: the same training with as many validations as a default one, over all sentences each time
  and over growing parts; CPU time of its validations, beside the steps of a default training;
- ranking: some models of different learning rates, translated whole at each validation; how far
  BLEU of some of the sentences, drawn at random, lies from that of all, alone and as a difference
  of two models, and how often two models change places.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl_tf.config.settings import TrainingConfig
from contest import STUDY, corpus, trial_config
from measuring import Case, Result, answer, measure_in_turns, medians
from reporting import Table, new_plot, number, percent, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from automl_tf.scoring.sentences import SentenceStatistics
    from automl_tf.training.events import Validation

DEFAULTS = TrainingConfig()
VALIDATIONS = DEFAULTS.max_steps // DEFAULTS.validate_every
FIRST = (0, DEFAULTS.validate_sentences)
"""Sentences of the first validation; 0 takes all each time."""
RATES = (7e-4, 1.5e-3, 3e-3, 5e-3)
SIZES = (125, 250, 500, 750)
DRAWS = 200
"""Subsets of each size."""
STEPS = {"saving": 480, "ranking": 300}
RANKED_EVERY = 100


def measure(case: Case) -> Result:
    """Measures one part."""
    study, steps = Path(case["study"]), case["steps"]
    if case["part"] == "saving":
        return _saving(study, steps, case["first"])
    return _ranking(study, steps)


def _saving(study: Path, steps: int, first: int) -> Result:
    """CPU-seconds of all validations of a training, and of a step."""
    from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop

    from ledger import Ledger

    ledger = Ledger()
    ledger.watch("validation", _EvaluationLoop, "run")
    started = time.process_time()
    told = _told(study, steps, steps // VALIDATIONS, validate_sentences=first)
    spent = ledger.seconds["validation"]
    return {
        "validation": spent,
        "step": (time.process_time() - started - spent) / steps,
        "sentences": float(sum(len(validation.sentences) for validation in told)),
        "all": float(VALIDATIONS * len(told[-1].sentences)),
    }


def _ranking(study: Path, steps: int) -> Result:
    """Errors of subsets by step and size, as mean absolute differences in BLEU."""
    trained = [
        _told(study, steps, RANKED_EVERY, learning_rate=rate, validate_sentences=0)
        for rate in RATES
    ]
    found: Result = {}
    for index, step in enumerate(range(RANKED_EVERY, steps + 1, RANKED_EVERY)):
        systems = [told[index].sentences for told in trained]
        for size in SIZES:
            errors = _errors(systems, size)
            found.update({f"{name} {step} {size}": value for name, value in errors.items()})
    return found


def _errors(systems: Sequence["SentenceStatistics"], size: int) -> Result:
    """What subsets of a size say wrongly of some systems."""
    from automl_tf.scoring.sentences import resampled_bleu

    draw = np.random.default_rng(1)
    drawn_RN = np.zeros((DRAWS, len(systems[0])), dtype=np.int64)
    for row in drawn_RN:
        row[draw.permutation(len(row))[:size]] = 1
    whole_S = np.array([system.bleu for system in systems])
    part_SR = np.stack([resampled_bleu(drawn_RN, system) for system in systems])
    pairs = list(itertools.combinations(range(len(systems)), 2))
    true_P = np.array([whole_S[one] - whole_S[other] for one, other in pairs])
    seen_PR = np.stack([part_SR[one] - part_SR[other] for one, other in pairs])
    return {
        "level": float(np.abs(part_SR - whole_S[:, None]).mean()),
        "difference": float(np.abs(seen_PR - true_P[:, None]).mean()),
        "swapped": float((seen_PR * true_P[:, None] < 0).mean()),
        "apart": float(np.abs(true_P).mean()),
    }


def _told(study: Path, steps: int, every: int, **settings: Any) -> list["Validation"]:  # noqa: ANN401
    """The validations of a training."""
    from automl_tf.training.events import Decision
    from automl_tf.training.fit import fit

    told: list[Validation] = []

    def observe(validation: "Validation") -> Decision:
        told.append(validation)
        return Decision.CONTINUE

    config = trial_config(
        study, warmup_steps=150, max_steps=steps, validate_every=every, **settings
    )
    with tempfile.TemporaryDirectory() as folder:
        fit(config, corpus(study), Path(folder), observe)
    return told


def main() -> None:
    """Measures the chosen parts."""
    options = _options()
    given = {"study": str(options.study)}
    cases: dict[str, Case] = {}
    if "saving" in options.parts:
        for first in FIRST:
            case = {"part": "saving", "first": first, "repeats": options.repeats}
            cases[f"saving {first}"] = {**given, **case, "steps": STEPS["saving"]}
    if "ranking" in options.parts:
        cases["ranking"] = {**given, "part": "ranking", "repeats": 1, "steps": STEPS["ranking"]}
    corpus(options.study)  # prepared once, before anything is timed
    results = measure_in_turns(__file__, cases, options.repeats)
    middle = {name: medians(result) for name, result in results.items()}
    if "saving" in options.parts:
        table = _saving_table(middle)
        publish("growing_validation", [table], results, _bars(middle), part="saving")
    if "ranking" in options.parts:
        found = middle["ranking"]
        table = _ranking_table(found)
        publish("growing_validation", [table], results, _lines(found), part="ranking")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is trained on")
    parser.add_argument("--parts", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--repeats", type=int, default=1, help="trainings of each kind")
    return parser.parse_args()


def _saving_table(middle: Mapping[str, Result]) -> Table:
    whole = middle["saving 0"]
    rows = []
    for first in FIRST:
        found = middle[f"saving {first}"]
        steps = found["step"] * DEFAULTS.max_steps
        rows.append(
            (
                _words(first),
                percent(found["sentences"] / found["all"]),
                number(found["validation"]),
                percent(found["validation"] / whole["validation"]),
                percent(found["validation"] / (found["validation"] + steps)),
            )
        )
    return Table(
        f"{VALIDATIONS} validations of a training of {DEFAULTS.max_steps:,} steps, d64/2",
        ("sentences", "of all", "CPU-s", "of those over all", "of the training"),
        tuple(rows),
    )


def _ranking_table(found: Result) -> Table:
    steps = range(RANKED_EVERY, STEPS["ranking"] + 1, RANKED_EVERY)
    rows = tuple(
        (
            f"step {step}, {size} sentences",
            number(found[f"apart {step} {size}"]),
            number(found[f"level {step} {size}"]),
            number(found[f"difference {step} {size}"]),
            percent(found[f"swapped {step} {size}"]),
        )
        for step in steps
        for size in SIZES
    )
    return Table(
        f"BLEU of some sentences against all, {len(RATES)} learning rates, d64/2, mean absolute",
        ("validation", "models apart", "error of BLEU", "error of a difference", "pairs swapped"),
        rows,
    )


def _bars(middle: Mapping[str, Result]) -> "Figure":
    figure, [axes] = new_plot()
    seconds = [middle[f"saving {first}"]["validation"] for first in FIRST]
    axes.barh([_words(first) for first in FIRST], seconds)
    axes.set_xlabel(f"CPU-seconds of {VALIDATIONS} validations")
    axes.set_title("Sentences of the first validation", fontsize=10)
    return figure


def _words(first: int) -> str:
    return "all each time" if first == 0 else f"{first} at first"


def _lines(found: Mapping[str, float]) -> "Figure":
    figure, [axes] = new_plot()
    for name, words in (("level", "BLEU of one model"), ("difference", "difference of two")):
        steps = range(RANKED_EVERY, STEPS["ranking"] + 1, RANKED_EVERY)
        last = [found[f"{name} {steps[-1]} {size}"] for size in SIZES]
        axes.plot(SIZES, last, marker="o", label=words)
    axes.set_xlabel("sentences")
    axes.set_ylabel("mean absolute error, BLEU")
    axes.set_title(f"Some sentences instead of all, step {steps[-1]}", fontsize=10)
    axes.legend()
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
