"""The measurements of trial_overhead.py, each on real objects with timers around them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
from lightning.pytorch import Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from torch.optim.optimizer import register_optimizer_step_post_hook

from automl_tf.config.files import read_study
from automl_tf.config.settings import Corpus, TrainingConfig
from automl_tf.data.batches import TrainingBatches
from automl_tf.home import HomeDirectory
from automl_tf.search import join, run, worker
from automl_tf.search.events import EventWriter, worker_line
from automl_tf.search.run import Locations
from automl_tf.search.storage import default_url
from automl_tf.tracking.client import configure_mlflow
from automl_tf.tracking.sender import Delivery, OutboxSender
from automl_tf.training import callbacks
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit
from automl_tf.training.module import TranslationModule
from automl_tf.training.optimizer import MasterAdamW
from contest import corpus, settings_of, trial_config
from handwritten import Shape
from ledger import Ledger
from measuring import Result, Stopwatch
from studies import cut_corpus, write_study

LOOP_SECONDS = 4.0
FAR_AWAY = 1_000_000
FEW_STEPS = 4
"""Steps of a trial whose start is measured."""
STEPS_A_VALIDATION = 2
FEW_VALIDATION_PAIRS = 0.05
"""Share of the validation split that does where validation itself is not measured."""
TRIALS = 2


def start_of_trials(study: Path, shape: Shape, folder: Path) -> Result:
    """Wall time to the first optimizer steps of a worker's first two trials, in seconds."""
    imported = time.time()
    claims: list[float] = []
    steps: list[float] = []
    register_optimizer_step_post_hook(lambda *_: steps.append(time.time()))
    _before(worker, "claim", lambda: claims.append(time.time()))
    _search(study, read_study(study).config.corpus, shape, folder, FEW_STEPS, FEW_STEPS)
    first = _first_after(steps, claims[0])
    second = _first_after(steps, claims[1])
    process = psutil.Process().create_time()
    return {
        "process": first - process,
        "imports": imported - process,
        "first": first - claims[0],
        "second": second - claims[1],
        # From the step before, as the steps of a trial follow each other.
        "step": _first_after(steps, second) - second,
        "between": second - max(step for step in steps if step < claims[1]),
    }


def libraries(study: Path, shape: Shape, folder: Path, validations: int) -> Result:
    """CPU-seconds that Optuna, MLflow and checkpoints take of a trial with some validations."""
    ledger = Ledger()
    ledger.watch("Optuna", worker, "claim")
    ledger.watch("Optuna", optuna.Study, "ask", "tell", "get_trials", "set_user_attr")
    ledger.watch("Optuna", optuna.Trial, "report", "should_prune", "set_user_attr")
    ledger.watch("MLflow", OutboxSender, "post")
    ledger.watch("MLflow", Delivery, "send_all")
    ledger.watch("checkpoints", Trainer, "save_checkpoint")
    ledger.watch("checkpoints", callbacks, "save_weights")
    cut = cut_corpus(study, folder, train=1.0, validation=FEW_VALIDATION_PAIRS)
    max_steps = validations * STEPS_A_VALIDATION
    _search(study, cut, shape, folder, max_steps, STEPS_A_VALIDATION)
    return {account: seconds / TRIALS for account, seconds in ledger.seconds.items()}


def validation(study: Path, shape: Shape, folder: Path, steps: int) -> Result:
    """CPU-seconds of the steps of a training, each, and of the validation that ends it."""
    ledger = Ledger()
    ledger.watch("validation", _EvaluationLoop, "run")
    config = trial_config(
        study,
        shape,
        warmup_steps=min(TrainingConfig().warmup_steps, steps // 2),
        max_steps=steps,
        validate_every=steps,
    )
    data = corpus(study)
    stopwatch = Stopwatch(seconds=float("inf"))

    def lap() -> bool:
        # Asked after each step but the last one, and then during the validation.
        return stopwatch.steps < steps - 1 and stopwatch.lap()

    fit(config, data, folder, lambda _: Decision.CONTINUE, should_pause=lap)
    return {
        "seconds_a_step": stopwatch.seconds_a_step,
        "validation": ledger.seconds["validation"],
    }


def loop(study: Path, shape: Shape, folder: Path, batch_tokens: int) -> Result:
    """CPU-seconds of a training step, and of what of it Lightning's loop and hooks take.

    All that a loop written by hand would do as well is the step's work; Lightning has the rest. A
    large model's rest holds the freeing of its tensors too, a tiny one's does not.
    """
    ledger = Ledger()
    ledger.watch("work", TrainingBatches, "__next__")
    ledger.watch("work", TranslationModule, "training_step")
    # The module calls Lightning's wrapper of the optimizer, and that calls the optimizer.
    ledger.watch("Lightning", LightningOptimizer, "step")
    ledger.watch("work", MasterAdamW, "step")
    config = trial_config(
        study, shape, batch_tokens=batch_tokens, max_steps=FAR_AWAY, validate_every=FAR_AWAY
    )
    stopwatch = Stopwatch(seconds=LOOP_SECONDS)

    def lap() -> bool:
        is_enough = stopwatch.lap()
        if not stopwatch.elapsed:
            ledger.seconds.clear()
        return is_enough

    fit(config, corpus(study), folder, lambda _: Decision.CONTINUE, should_pause=lap)
    step = stopwatch.seconds_a_step
    rest = step * (1 - ledger.seconds["work"] / stopwatch.elapsed)
    return {"seconds_a_step": step, "Lightning": rest}


def _search(
    study: Path, data: Corpus, shape: Shape, home: Path, max_steps: int, validate_every: int
) -> None:
    """Runs a study of some trials in this process, as a worker does."""
    base = trial_config(study, shape)
    fixed = {
        **settings_of(shape),
        "data.vocab_size": base.data.vocab_size,
        "training.warmup_steps": 1,
        "training.max_steps": max_steps,
        "training.validate_every": validate_every,
    }
    rates = [base.training.learning_rate * (1 + trial / TRIALS) for trial in range(TRIALS)]
    written = write_study(
        home,
        data,
        {"training.learning_rate": {"low": min(rates), "high": max(rates), "log": True}},
        fixed,
        [{"training.learning_rate": rate} for rate in rates],
    )
    configure_mlflow()
    places = Locations(home, default_url(home), HomeDirectory(home).tracking_uri)
    opened = run.open_search(read_study(written), places)
    join.join(opened, places, EventWriter(None, worker_line))


def _before(owner: Any, name: str, act: Callable[[], None]) -> None:  # noqa: ANN401 - any object
    """Acts before each later call of a function."""
    function = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the function's own
        act()
        return function(*args, **kwargs)

    setattr(owner, name, call)


def _first_after(times: list[float], moment: float) -> float:
    return min(time for time in times if time > moment)
