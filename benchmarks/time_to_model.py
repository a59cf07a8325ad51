"""From text files to a model, by the clock: test BLEU of a search, of plain Optuna, of a recipe.

    python benchmarks/time_to_model.py data/multi30k        # 20, 40 and 60 minutes, two seeds
    python benchmarks/time_to_model.py data/multi30k --minutes 20 --seeds 1

Each contestant has one core and one thread, and so many minutes from the start of its process to
the score of its translations. Two run at the same time, each on a core of its own.

- ours: ``automl-tf search`` on the shipped study of the corpus, one worker, unattended;
- plain: Optuna's TPE and median pruner at their defaults for two thirds of the time, on the same
  space and with the same training code, on short trainings; then its best configuration in full,
  for as many steps as the rest of the time holds;
- by hand: the published recipe of this corpus (Wu et al. 2021, "Good for misconceived reasons", the
  tiny Transformer) for the whole time.

All decode the test split with beam 5, and BLEU is sacrebleu's (13a, cased). A training that is not
over in time is scored with the best weights that it has.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from automl_tf.bundle.bundle import Bundle
from automl_tf.config.files import read_study
from automl_tf.config.settings import TrialConfig, flatten, unflatten
from automl_tf.data.prepare import prepare
from automl_tf.release.evaluate import evaluate_test
from automl_tf.search.samplers.build import suggested
from automl_tf.training.checkpoints import load_best
from automl_tf.training.events import Decision, Validation
from automl_tf.training.fit import fit
from contest import STUDY
from reporting import RESULTS, Table, new_plot, publish
from search_live import SHORT, in_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS, PLAIN, BY_HAND = "ours", "plain", "by hand"
CONTESTANTS = (OURS, PLAIN, BY_HAND)
SEARCHED = 2 / 3
"""Share of the time that plain searches for."""
TEST_SECONDS = 60.0
"""What the translation of the test split may take."""
PROBED_STEPS = 60
"""Steps from which the speed of the recipe is known."""
RECIPE: dict[str, Any] = {
    "model.d_model": 128,
    "model.num_heads": 4,
    "model.d_ff": 256,
    "model.encoder_layers": 4,
    "model.decoder_layers": 4,
    "model.dropout": 0.3,
    "model.norm": "post",
    "training.learning_rate": 5e-3,
    "training.warmup_steps": 2000,
    "training.schedule": "inverse_sqrt",
    "training.cooldown": 0.0,
    "training.batch_tokens": 4096,
    "training.accumulate": 2,
    "training.label_smoothing": 0.1,
    "training.weight_decay": 0.0,
    "training.clip_norm": 0.0,
    "training.validate_every": 200,
    "training.average_checkpoints": 10,
    "data.vocab_size": 10_000,
    "decoding.beam_size": 5,
}

Outcome = dict[str, Any]
"""What a contestant came to: test BLEU, minutes, and what it says of itself."""


def main() -> None:
    """Runs all contestants, two at a time, and compares them."""
    options = _options()
    if options.contestant:
        print(json.dumps(_answer(options)), flush=True)
        return
    jobs = list(itertools.product(options.minutes, options.seeds, CONTESTANTS))
    outcomes: dict[tuple[float, int, str], Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="time-to-model-") as name:
        for job, outcome in _run_all(jobs, options, options.keep or Path(name)):
            outcomes[job] = outcome
            print(*job, json.dumps(outcome), file=sys.stderr, flush=True)
            _publish(options, outcomes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the corpus's files lie")
    parser.add_argument("--study", type=Path, default=STUDY, help="its space, corpus and settings")
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0, 40.0, 60.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--keep", type=Path, help="empty folder for homes and logs, kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run_all(
    jobs: list[tuple[float, int, str]], options: argparse.Namespace, folder: Path
) -> Iterator[tuple[tuple[float, int, str], Outcome]]:
    """Runs each job in a process on a core of its own, and yields what it came to."""
    waiting = list(jobs)
    running: dict[tuple[float, int, str], tuple[int, subprocess.Popen[str]]] = {}
    cores = sorted(os.sched_getaffinity(0))[:2]
    while waiting or running:
        while waiting and cores:
            job, core = waiting.pop(0), cores.pop(0)
            running[job] = (core, _start(job, core, options, folder))
        time.sleep(1)
        for job, (core, process) in list(running.items()):
            if process.poll() is not None:
                assert process.returncode == 0, f"{job} ended with status {process.returncode}"
                assert process.stdout is not None
                del running[job]
                cores.append(core)
                yield job, json.loads(process.stdout.read().splitlines()[-1])


def _start(
    job: tuple[float, int, str], core: int, options: argparse.Namespace, folder: Path
) -> subprocess.Popen[str]:
    minutes, seed, contestant = job
    home = folder / f"{contestant.replace(' ', '-')}-{minutes:g}-{seed}"
    home.mkdir(parents=True)
    words = [str(options.folder), "--study", str(options.study), "--keep", str(home)]
    words += ["--minutes", str(minutes), "--seeds", str(seed), "--contestant", contestant]
    with (home / "log").open("w") as log:
        return subprocess.Popen(
            ["taskset", "--cpu-list", str(core), sys.executable, __file__, *words],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
            text=True,
        )


def _answer(options: argparse.Namespace) -> Outcome:
    """What the contestant that this process is comes to."""
    began = time.monotonic()
    deadline = began + 60 * options.minutes[0] - TEST_SECONDS
    run = {OURS: _ours, PLAIN: _plain, BY_HAND: _by_hand}[options.contestant]
    outcome = run(options, deadline)
    return {**outcome, "minutes": (time.monotonic() - began) / 60}


def _ours(options: argparse.Namespace, deadline: float) -> Outcome:
    study = read_study(options.study)
    corpus = in_folder(options.folder, study.config.corpus)
    document = study.config.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    document.update(
        space=str(study.config.space),
        corpus=corpus.model_dump(mode="json", exclude_none=True),
        seed=options.seeds[0],
    )
    path = options.keep / "study.yaml"
    path.write_text(json.dumps(document))  # all JSON is YAML
    hours = (deadline - time.monotonic()) / 3600
    words = ["search", str(path), "--workers", "1", "--json", "--hours", str(hours)]
    home = ["--home", str(options.keep / "home")]
    done = subprocess.run(
        [sys.executable, "-m", "automl_tf", *words, *home],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    (options.keep / "events.jsonl").write_text(done.stdout)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    last = events[-1]
    if last["event"] != "TrainingEnded":
        return {"test_bleu": 0.0, "what": "no training was finished"}
    begun = sum(event["event"] == "TrialStarted" and not event["resumed"] for event in events)
    what = f"{begun} trials, the winner {last['step']} steps"
    return {
        "test_bleu": last["test"]["bleu"],
        "validation_bleu": last["validation"]["bleu"],
        "what": what,
    }


def _plain(options: argparse.Namespace, deadline: float) -> Outcome:
    study = read_study(options.study)
    corpus = in_folder(options.folder, study.config.corpus).model_dump()
    seed, began = options.seeds[0], time.monotonic()
    search_end = began + SEARCHED * (deadline - began)
    cache = options.keep / "cache"

    def config_of(params: Mapping[str, Any], **changes: Any) -> TrialConfig:  # noqa: ANN401
        settings = {**SHORT, **params, **{f"training.{key}": one for key, one in changes.items()}}
        return TrialConfig.model_validate({"corpus": corpus, "seed": seed, **unflatten(settings)})

    def objective(trial: optuna.Trial) -> float:
        params = suggested(trial, study.space)
        config = config_of(params, validate_sentences=0)

        def observe(validation: Validation) -> Decision:
            trial.report(validation.scores.bleu, validation.step)
            trial.set_user_attr("pace", validation.seconds / validation.step)
            trial.set_user_attr("params", params)
            is_over = time.monotonic() > search_end or trial.should_prune()
            return Decision.STOP if is_over else Decision.CONTINUE

        with tempfile.TemporaryDirectory(dir=options.keep) as folder:
            result = fit(config, prepare(config, cache), Path(folder), observe)
        if result.best is None or result.step < config.training.max_steps:
            raise optuna.TrialPruned
        return result.best.bleu

    search = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(),
    )
    search.optimize(objective, timeout=search_end - time.monotonic())
    best = max(search.trials, key=_reached)
    steps = int(0.9 * (deadline - time.monotonic()) / best.user_attrs["pace"])
    every = max(100, steps // 12)
    config = config_of(best.user_attrs["params"], max_steps=steps, validate_every=every)
    outcome = _train(config, options.keep, deadline)
    return {**outcome, "what": f"{len(search.trials)} trials, the winner {outcome['what']}"}


def _reached(trial: optuna.trial.FrozenTrial) -> tuple[bool, float]:
    """Whether a trial is complete, and its best BLEU: where none is, a beginning counts."""
    best = max(trial.intermediate_values.values(), default=0.0)
    return trial.state == optuna.trial.TrialState.COMPLETE, best


def _by_hand(options: argparse.Namespace, deadline: float) -> Outcome:
    corpus = in_folder(options.folder, read_study(options.study).config.corpus).model_dump()

    def config_of(steps: int) -> TrialConfig:
        settings = {**RECIPE, "training.max_steps": steps}
        return TrialConfig.model_validate(
            {"corpus": corpus, "seed": options.seeds[0], **unflatten(settings)}
        )

    data = prepare(config_of(PROBED_STEPS), options.keep / "cache")
    with tempfile.TemporaryDirectory(dir=options.keep) as folder:
        began = time.monotonic()
        fit(config_of(PROBED_STEPS), data, Path(folder), lambda _validation: Decision.CONTINUE)
        pace = (time.monotonic() - began) / PROBED_STEPS
    return _train(
        config_of(int(0.95 * (deadline - time.monotonic()) / pace)), options.keep, deadline
    )


def _train(config: TrialConfig, folder: Path, deadline: float) -> Outcome:
    """Trains until the steps or the time are over, and scores the test split."""
    data, where = prepare(config, folder / "cache"), folder / "training"
    curve: dict[int, float] = {}

    def observe(validation: Validation) -> Decision:
        curve[validation.step] = round(validation.scores.bleu, 2)
        return Decision.CONTINUE

    result = fit(config, data, where, observe, should_pause=lambda: time.monotonic() > deadline)
    tested = evaluate_test(Bundle(config, data.vocabulary, load_best(where), {}), folder / "cache")
    return {
        "test_bleu": tested.evaluation.scores.bleu,
        "validation_bleu": None if result.best is None else result.best.bleu,
        "what": f"{result.step} of {config.training.max_steps} steps",
        "curve": curve,
        "settings": flatten(config),
    }


def _publish(
    options: argparse.Namespace, outcomes: Mapping[tuple[float, int, str], Outcome]
) -> None:
    rows = tuple(
        (
            f"{contestant}, {minutes:g} minutes, seed {seed}",
            f"{outcome['test_bleu']:.2f}",
            f"{outcome['minutes']:.1f}",
            outcome["what"],
        )
        for (minutes, seed, contestant), outcome in outcomes.items()
    )
    table = Table("Test BLEU, one core each", ("contestant", "BLEU", "minutes", "trained"), rows)
    measured = {
        f"{minutes:g} minutes, seed {seed}, {contestant}": outcome
        for (minutes, seed, contestant), outcome in outcomes.items()
    }
    publish("time_to_model", [table], measured, _plot(outcomes), folder=options.results)


def _plot(outcomes: Mapping[tuple[float, int, str], Outcome]) -> "Figure":
    figure, [axes] = new_plot()
    for contestant in CONTESTANTS:
        points = sorted(
            (minutes, outcome["test_bleu"])
            for (minutes, _, name), outcome in outcomes.items()
            if name == contestant
        )
        if points:
            axes.plot(*zip(*points, strict=True), "o", label=contestant)
    axes.set_xlabel("minutes of wall time, one core each")
    axes.set_ylabel("test BLEU")
    axes.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    main()
