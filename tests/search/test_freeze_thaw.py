"""The freeze-thaw scheduler on a real storage: what goes on, and when a training is shortened."""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from automl_tf.config.files import read_study
from automl_tf.config.space import Choices, Range
from automl_tf.errors import UserError
from automl_tf.search.context import WorkerContext
from automl_tf.search.freeze_thaw import SAFETY, Assignment, Ending
from automl_tf.search.optuna_compat import trial_id_of
from automl_tf.search.schema import ATTEMPT, MAX_STEPS, SECONDS, VALIDATIONS, note_forecast
from automl_tf.search.sessions import begin_session
from tests.cli.studies import write_study
from tests.search.making import bench, claim, definition, finish, pause, worker_of

SPACE = {
    "model.d_model": Choices(choices=(64, 128, 256)),
    "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
}
FULL, EVERY, STEP_SECONDS = 2000, 100, 0.5
COOLDOWN = 0.25
FIXED = {
    "training.max_steps": FULL,
    "training.validate_every": EVERY,
    "training.cooldown": COOLDOWN,
    "training.warmup_steps": EVERY,
}


def context(home: Path, **budget: Any) -> WorkerContext:
    made = definition(
        SPACE,
        fixed=FIXED,
        scheduler={"kind": "freeze_thaw"},
        budget={"trials": 4, **budget},
        start_with_base=False,
        # Of one size, so that they cost the same.
        start_with=[
            {"model.d_model": 128, "training.learning_rate": rate} for rate in (1e-3, 3e-3)
        ],
    )
    return bench(home, made)


def validate(worker: WorkerContext, trial: optuna.Trial, bleu: dict[int, float]) -> None:
    """Notes the validations of a claimed trial, as its training would."""
    told = {str(step): {"bleu": value, "chrf": value, "loss": 1.0} for step, value in bleu.items()}
    trial.set_user_attr(ATTEMPT, 1)
    trial.set_user_attr(VALIDATIONS, told)
    trial.set_user_attr(SECONDS, STEP_SECONDS * max(bleu))
    trials = worker.study.get_trials(deepcopy=False)
    assert worker.freeze_thaw is not None
    note_forecast(trial, worker.freeze_thaw.forecast(trials[trial.number], trials))


def begun(worker: WorkerContext, bleu: dict[int, float]) -> FrozenTrial:
    """A new trial that was paused after some validations."""
    trial = optuna.Trial(worker.study, _new(worker))
    validate(worker, trial, bleu)
    pause(worker, trial)
    return worker.study.get_trials(deepcopy=False)[trial.number]


def _new(worker: WorkerContext) -> int:
    claimed = worker_of(worker).claim()
    assert claimed is not None
    return claimed.ownership.trial_id


def next_of(worker: WorkerContext, seconds: float | None = None) -> Assignment | Ending:
    assert worker.freeze_thaw is not None
    sampler = worker.proposing_sampler(worker.study.get_trials(deepcopy=False))
    return worker.freeze_thaw.next(worker.study, sampler, seconds)


def test_the_first_trial_is_a_new_one(tmp_path: Path) -> None:
    assert next_of(context(tmp_path)) == Assignment(None, reason="the first trial")


def test_with_no_trial_left_to_begin_the_one_that_promises_more_goes_on(tmp_path: Path) -> None:
    worker = context(tmp_path, trials=2)
    first = claim(worker)
    second = claim(worker)
    validate(worker, first, {100: 1.0, 200: 4.0, 400: 11.0})
    validate(worker, second, {100: 5.0, 200: 12.0, 400: 21.0})
    pause(worker, first)
    pause(worker, second)
    assigned = next_of(worker)
    assert isinstance(assigned, Assignment)
    assert (assigned.number, assigned.max_steps) == (second.number, None)
    assert str(second.number) in assigned.reason


def test_a_claim_resumes_the_trial_that_is_chosen_and_says_why(tmp_path: Path) -> None:
    worker = context(tmp_path, trials=1)
    trial = begun(worker, {100: 2.0, 200: 8.0})
    told: list[Any] = []
    again = worker_of(dataclasses.replace(worker, tell=told.append)).claim()
    assert again is not None
    assert again.trial.number == trial.number
    assert again.trial.params == trial.params
    assert any("goes on" in event.text for event in told)


@pytest.mark.parametrize("hours", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("done", [200, 500, 900])
def test_the_last_training_is_shortened_so_that_it_ends_in_time(
    tmp_path: Path, hours: float, done: int
) -> None:
    worker = context(tmp_path, trials=1, hours=hours)
    trial = begun(worker, {step: 20 - 1000 / step for step in range(EVERY, done + 1, EVERY)})
    seconds = hours * 3600
    lengths = []
    while seconds > 0:
        assigned = next_of(worker, seconds)
        if isinstance(assigned, Assignment) and assigned.max_steps is not None:
            lengths.append((seconds, assigned.max_steps))
        seconds -= EVERY * STEP_SECONDS
    assert lengths, "time comes to an end"
    left, length = lengths[0]
    assert math.ceil(done / (1 - COOLDOWN)) <= length <= FULL
    # One validation earlier there was time for another slice.
    assert length - done >= SAFETY * (left - EVERY * STEP_SECONDS) / STEP_SECONDS - EVERY
    in_time = SAFETY * left / STEP_SECONDS >= math.ceil(done / (1 - COOLDOWN)) - done
    assert not in_time or length - done <= left / STEP_SECONDS
    assert trial.number == 0


def test_a_shortened_training_that_was_interrupted_goes_on_first(tmp_path: Path) -> None:
    worker = context(tmp_path, trials=2)
    poor, good = begun(worker, {100: 1.0, 200: 2.0}), claim(worker)
    validate(worker, good, {100: 10.0, 200: 20.0})
    pause(worker, good)
    worker.storage.set_trial_user_attr(trial_id_of(poor), MAX_STEPS, 400)
    assigned = next_of(worker)
    assert isinstance(assigned, Assignment)
    assert (assigned.number, assigned.max_steps) == (poor.number, None)


def test_a_running_trial_pauses_for_one_that_promises_more_and_not_in_its_last_part(
    tmp_path: Path,
) -> None:
    worker = context(tmp_path, trials=2)
    good, poor = claim(worker), claim(worker)
    validate(worker, good, {100: 10.0, 200: 20.0, 400: 27.0})
    pause(worker, good)
    validate(worker, poor, {100: 0.5, 200: 1.0, 400: 1.2})
    scheduler, trials = worker.freeze_thaw, worker.study.get_trials(deepcopy=False)
    assert scheduler is not None
    sampler = worker.proposing_sampler(trials)
    reason = scheduler.reason_to_pause(worker.study, sampler, poor.number, None)
    assert reason is not None
    assert f"trial {good.number}" in reason
    poor.set_user_attr(MAX_STEPS, 600)
    assert scheduler.reason_to_pause(worker.study, sampler, poor.number, None) is None


@pytest.mark.parametrize("hours", [None, 2.0])
def test_costs_are_told_in_full_trainings(tmp_path: Path, hours: float | None) -> None:
    worker = context(tmp_path, trials=2, **({} if hours is None else {"hours": hours}))
    trials = [claim(worker), claim(worker)]
    for trial in trials:
        validate(worker, trial, {100: 10.0, 200: 20.0})
        pause(worker, trial)
    assigned = next_of(worker, None if hours is None else 3600 * hours)
    assert isinstance(assigned, Assignment)
    cost = re.search(r"for ([\d.]+) full trainings", assigned.reason)
    assert cost is not None
    assert 0.2 < float(cost[1]) < 4.0


def test_nothing_is_left_once_all_trials_are_complete(tmp_path: Path) -> None:
    worker = context(tmp_path, trials=1)
    finish(worker, claim(worker), steps=(1000, FULL))
    assert next_of(worker) == Ending("all trials of the budget have ended")


@pytest.mark.parametrize("until", ["spent", "worthwhile"])
@pytest.mark.parametrize("num_complete", [2, 8])
def test_a_search_may_end_once_more_is_not_worth_its_cost(
    tmp_path: Path, until: str, num_complete: int
) -> None:
    worker = context(tmp_path, trials=20, until=until)
    for _ in range(num_complete):
        if (trial := claim(worker)) is None:
            break
        begin_session(trial, "laptop:1:1", 0)
        # As good as it gets: nothing is expected of another one.
        finish(worker, trial, bleu=60.0 - trial.number / 100, steps=(1000, FULL))
    assigned = next_of(worker)
    ends = until == "worthwhile" and num_complete == 8
    assert isinstance(assigned, Ending) == ends
    assert not ends or "not worth its cost" in assigned.reason


@pytest.mark.parametrize(
    ("changes", "space", "words"),
    [
        (
            {"objectives": ["bleu", "latency"], "pruner": {"kind": "auto"}},
            {},
            "one objective",
        ),
        ({"sampler": {"kind": "tpe"}}, {}, "sampler auto predicts"),
        (
            {"scheduler": {"kind": "fifo"}, "budget": {"until": "worthwhile"}},
            {},
            "budget.until = worthwhile",
        ),
        ({"fixed": {"training.schedule": "cosine"}}, {}, "training.schedule = cosine"),
        (
            {"fixed": {"training.batch_tokens": 256, "training.warmup_steps": 5}},
            {"training.max_steps": {"choices": [600, 900]}},
            "finds the length",
        ),
    ],
)
def test_what_does_not_fit_the_scheduler_is_refused(
    tmp_path: Path, reversal: dict, changes: dict, space: dict, words: str
) -> None:
    study = {"sampler": {"kind": "auto"}, "scheduler": {"kind": "freeze_thaw"}, **changes}
    domains = {"model.d_model": {"choices": [16, 32]}, **space}
    path = write_study(tmp_path, reversal, domains, **study)
    with pytest.raises(UserError, match=words):
        read_study(path)
