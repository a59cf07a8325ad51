"""BLEU on a test split against CPU time of one core, for one full training at d128/3.

    python benchmarks/time_to_bleu.py

The training is ``training.fit`` with its validations; the weights of the best one translate the
test split. CPU time runs from the start of the training to the last translation. Reading the corpus
and making the subwords come before it.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_tf.config.files import read_study
from automl_tf.config.settings import TrialConfig, unflatten
from automl_tf.data.prepare import prepare
from contest import CACHE, STUDY, settings_of
from handwritten import SHAPES
from measuring import Case, Result, answer, measure_fresh
from reporting import Table, new_plot, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOAL_BLEU, GOAL_MINUTES = 36.0, 10.0
SETTINGS: dict[str, Any] = {
    **settings_of(SHAPES["d128/3"]),
    "model.dropout": 0.2,
    "model.norm": "pre",
    "data.vocab_size": 8000,
    "training.batch_tokens": 2048,
    "training.learning_rate": 3e-3,
    "training.warmup_steps": 400,
    "training.label_smoothing": 0.1,
    "decoding.beam_size": 5,
    "decoding.length_penalty": 1.0,
}


def measure(case: Case) -> Result:
    """Trains, translates and scores."""
    from automl_tf.bundle.bundle import Bundle
    from automl_tf.release.evaluate import evaluate_test
    from automl_tf.training.checkpoints import load_best
    from automl_tf.training.events import Decision, Validation
    from automl_tf.training.fit import fit

    config = _config(case)
    data = prepare(config, CACHE)
    result: Result = {}
    started = time.process_time()

    def observe(validation: Validation) -> Decision:
        minutes = (time.process_time() - started) / 60
        result[f"minutes at {validation.step}"] = minutes
        result[f"validation BLEU at {validation.step}"] = validation.scores.bleu
        return Decision.CONTINUE

    with tempfile.TemporaryDirectory() as folder:
        fit(config, data, Path(folder), observe)
        bundle = Bundle(config, data.vocabulary, load_best(Path(folder)), {})
    tested = evaluate_test(bundle, CACHE).evaluation
    result["minutes"] = (time.process_time() - started) / 60
    result["test BLEU"] = tested.scores.bleu
    return result


def _config(case: Case) -> TrialConfig:
    steps = {
        "training.max_steps": case["steps"],
        "training.validate_every": case["validate_every"],
    }
    corpus = read_study(Path(case["study"]), []).config.corpus.model_dump()
    settings = {**SETTINGS, **steps, **case["settings"]}
    return TrialConfig.model_validate({"corpus": corpus, **unflatten(settings)})


def main() -> None:
    """Measures one training."""
    options = _options()
    case = {
        "study": str(options.study),
        "steps": options.steps,
        "validate_every": options.validate_every,
        "settings": {
            name: json.loads(value)
            for name, _, value in (setting.partition("=") for setting in options.set)
        },
    }
    prepare(_config(case), CACHE)  # before anything is timed
    result = measure_fresh(__file__, case)
    publish("time_to_bleu", [_table(result)], result, _plot(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=STUDY, help="whose corpus is trained on")
    parser.add_argument("--steps", type=int, default=3200, help="optimizer steps")
    parser.add_argument("--validate-every", type=int, default=400, help="steps")
    parser.add_argument("--set", action="append", default=[], help="a setting: KEY=VALUE in JSON")
    return parser.parse_args()


def _curve(result: Result) -> list[tuple[int, float, float]]:
    """Step, CPU-minutes and validation BLEU."""
    prefix = "minutes at "
    steps = [int(key.removeprefix(prefix)) for key in result if key.startswith(prefix)]
    return [
        (step, result[f"{prefix}{step}"], result[f"validation BLEU at {step}"]) for step in steps
    ]


def _table(result: Result) -> Table:
    rows = [
        (f"validation, step {step:,}", f"{minutes:.2f}", f"{bleu:.2f}")
        for step, minutes, bleu in _curve(result)
    ]
    rows.append(("test", f"{result['minutes']:.2f}", f"{result['test BLEU']:.2f}"))
    rows.append(("goal", f"{GOAL_MINUTES:.2f}", f"{GOAL_BLEU:.2f}"))
    title = "d128/3: BLEU after CPU-minutes of one core (validation is greedy)"
    return Table(title, ("split", "CPU-minutes", "BLEU"), tuple(rows))


def _plot(result: Result) -> "Figure":
    figure, [axes] = new_plot()
    curve = _curve(result)
    axes.plot([minutes for _, minutes, _ in curve], [bleu for *_, bleu in curve], marker="o")
    axes.plot(result["minutes"], result["test BLEU"], "*", markersize=12)
    axes.annotate("test", (result["minutes"], result["test BLEU"]), fontsize=8)
    axes.set_xlabel("CPU-minutes of one core")
    axes.set_ylabel("BLEU")
    axes.set_title("Validation and test while a training runs", fontsize=10)
    return figure


if __name__ == "__main__" and not answer(measure):
    main()
