"""What a terminal, a log and a program are told while a study runs, made from events."""

import io
import json
import re

import pytest
from rich.console import Console

from automl_tf.cli.display import JsonDisplay, PlainDisplay, QuietDisplay
from automl_tf.cli.live import MAX_ENDED, LiveState, Picture
from automl_tf.config.study import StudyConfig
from automl_tf.search.events import (
    Event,
    LogMessage,
    StudyProgress,
    TrialEnded,
    TrialProgress,
    TrialStarted,
    TrialValidated,
    decode,
)
from automl_tf.search.pool import BUDGET_SPENT
from automl_tf.search.study_view import StudyView, TrialView
from tests.cli.views import make_view

CONFIG = StudyConfig.model_validate(
    {
        "name": "harbour",
        "space": "space.yaml",
        "corpus": {"kind": "synthetic"},
        "budget": {"trials": 8, "hours": 2},
    }
)
PARAMS = {"model.d_model": 256, "model.num_heads": 8, "model.d_ff": 1024}
REASON = "best BLEU 2.59 by step 350 is below 8.97, what the upper 50 % of 3 complete trials had"


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> LiveState:
    made = LiveState(CONFIG, clock)
    made.begin(board())
    return made


def board(*trials: TrialView) -> StudyView:
    best = [trial.number for trial in trials if trial.state == "complete"]
    return make_view("harbour", trials, best)


def row(number: int, state: str, curve: dict[int, float]) -> TrialView:
    return TrialView(
        number=number,
        state=state,
        params=PARAMS,
        values=[max(curve.values())] if state == "complete" else None,
        intermediate=curve,
        reason=None,
        num_parameters=30_000_000,
        seconds=60.0,
        mlflow_run_id=None,
        best_step=None,
        is_feasible=True,
    )


def started(trial: int, *, resumed: bool = False) -> TrialStarted:
    return TrialStarted(trial, PARAMS, 30_000_000, 1000, resumed=resumed)


def stand(running: list[int], lost: list[int], **counts: int) -> StudyProgress:
    spent = sum(count for name, count in counts.items() if name != "waiting")
    return StudyProgress({**counts, "running": len(running)}, spent, running, lost, None, None)


def picture(state: LiveState, width: int = 120, height: int = 40) -> list[str]:
    console = Console(record=True, width=width, height=height, file=io.StringIO())
    console.print(Picture(state))
    return [line.rstrip() for line in console.export_text().splitlines()]


def line_of(state: LiveState, start: str, width: int = 120) -> str:
    (found,) = [line for line in picture(state, width) if line.lstrip().startswith(start)]
    return found


def test_a_running_trial_has_its_step_loss_bleu_pace_and_time_left(
    state: LiveState, clock: Clock
) -> None:
    state.note(0, started(3))
    assert "starting" in line_of(state, "3 ")
    for step in (100, 300):
        state.note(0, TrialProgress(3, step, 5.0 - step / 1000, 12_345.0))
        clock.now += 50
    state.note(0, TrialValidated(3, 300, 17.25, 40.0))
    # 200 steps took 100 seconds: 700 more take 350.
    line = line_of(state, "3 ")
    for part in ("d256 h8 ff1024 30.0M", "300/1000", "4.700", "17.25", "12,345", "5:50 left"):
        assert part in line
    clock.now += 60
    assert "4:50 left" in line_of(state, "3 ")


def test_the_budget_of_trials_and_of_time_is_shown(state: LiveState, clock: Clock) -> None:
    clock.now += 3725
    state.note(None, stand([4], [], complete=2, pruned=1, failed=1))
    assert "4 of 8 trials: 2 complete, 1 pruned, 1 failed, 1 running" in line_of(state, "trials")
    assert "1:02:05 of 2:00:00" in line_of(state, "time")


def test_counts_are_those_of_the_storage_and_not_of_what_was_heard(state: LiveState) -> None:
    state.note(0, TrialEnded(1, "complete", 30.0, None, 10.0))
    state.note(None, stand([], [], complete=5))
    assert "5 of 8 trials: 5 complete" in line_of(state, "trials")


def test_what_was_done_before_counts(clock: Clock) -> None:
    state = LiveState(CONFIG, clock)
    state.begin(board(row(0, "complete", {500: 20.0}), row(1, "pruned", {250: 21.0})))
    assert "2 of 8 trials: 1 complete, 1 pruned" in line_of(state, "trials")
    assert "BLEU 21.00 (trial 1)" in line_of(state, "best")


def test_the_best_so_far_says_if_it_still_runs(state: LiveState) -> None:
    assert not [line for line in picture(state) if line.startswith("best")]
    state.note(0, started(3))
    state.note(0, TrialValidated(3, 300, 17.25, 40.0))
    assert "BLEU 17.25 (trial 3, running)" in line_of(state, "best")
    state.note(0, TrialEnded(3, "complete", 17.25, None, 10.0))
    assert "BLEU 17.25 (trial 3)" in line_of(state, "best")


def test_the_best_so_far_is_none_of_fewer_sentences(state: LiveState) -> None:
    for trial in (3, 4):
        state.note(0, started(trial))
    state.note(0, TrialValidated(3, 100, 27.5, 40.0, sentences=500))
    assert "BLEU 27.50 (trial 3, running)" in line_of(state, "best")
    state.note(0, TrialValidated(4, 200, 17.25, 40.0, sentences=1000))
    state.note(0, TrialValidated(4, 100, 29.5, 40.0, sentences=500))
    assert "BLEU 17.25 (trial 4, running)" in line_of(state, "best")
    state.note(None, StudyProgress({"running": 2}, 0, [3, 4], [], 3, 18.0, best_sentences=1000))
    state.note(0, TrialValidated(4, 300, 17.5, 40.0, sentences=1000))
    assert "BLEU 18.00 (trial 3, running)" in line_of(state, "best")


def test_ended_trials_say_why_the_last_one_first(state: LiveState) -> None:
    for trial in range(3):
        state.note(0, started(trial))
    state.note(0, TrialEnded(1, "pruned", 2.59, REASON, 65.0))
    state.note(0, TrialEnded(0, "failed", None, "diverged", 5.0))
    lines = picture(state, 160)
    order = [line.split()[0] for line in lines if re.match(r" +\d", line)]
    assert order == ["2", "0", "1"]
    (why,) = [line for line in lines if "pruned" in line]
    for part in ("d256 h8 ff1024 30.0M", "2.59", "1:05", REASON):
        assert part in why


def test_a_trial_of_another_worker_is_marked(state: LiveState, clock: Clock) -> None:
    state.note(0, started(3))
    state.note(None, started(4))
    for step in (200, 400):
        state.note(None, TrialValidated(4, step, step / 100, 40.0))
        clock.now += 20
    assert "elsewhere" not in line_of(state, "3 ")
    line = line_of(state, "4 ")
    assert "400/1000" in line
    # 200 steps took 20 seconds, 20 more have passed since: 60 less 20.
    assert "0:40 left, elsewhere" in line


def test_a_trial_whose_worker_died_waits_and_goes_on_with_another(state: LiveState) -> None:
    state.note(0, started(3))
    state.note(0, TrialProgress(3, 350, 4.0, 100.0))
    state.note(0, TrialValidated(3, 300, 17.25, 40.0))
    state.note(None, stand([3], [3]))
    assert "its worker is lost" in line_of(state, "3 ")
    state.note(None, stand([], [], waiting=1))
    assert not [line for line in picture(state) if line.lstrip().startswith("3 ")]
    state.note(1, started(3, resumed=True))
    state.note(None, stand([3], []))
    line = line_of(state, "3 ")
    for part in ("300/1000", "17.25", "resuming"):
        assert part in line


def test_a_trial_that_waited_is_not_among_the_ended_once_it_goes_on(state: LiveState) -> None:
    state.note(0, started(3))
    state.note(0, TrialEnded(3, "waiting", None, "paused at step 20", 2.0))
    assert "paused at step 20" in line_of(state, "3 ")
    state.note(1, started(3, resumed=True))
    assert "resuming" in line_of(state, "3 ")


@pytest.mark.parametrize("width", [80, 100, 160])
def test_nothing_is_cut_off_at_the_side(state: LiveState, width: int) -> None:
    state.note(0, started(123))
    state.note(0, TrialProgress(123, 1000, 12.345, 123_456.0))
    state.note(0, TrialValidated(123, 1000, 27.25, 40.0))
    state.note(0, started(124))
    state.note(0, TrialEnded(124, "pruned", 2.59, REASON, 65.0))
    state.note(
        0, LogMessage("worker 1 died with status -9; see /home/someone/runs/logs/worker-1.log")
    )
    lines = picture(state, width)
    assert max(len(line) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    assert "…" not in text
    for part in ("1000/1000", "12.345", "27.25", "123,456", "worker-1.log"):
        assert part in text
    for word in REASON.split():
        assert word in text


def test_a_low_terminal_shows_the_running_trials_first(state: LiveState) -> None:
    for trial in range(2 * MAX_ENDED):
        state.note(0, started(trial))
        state.note(0, TrialEnded(trial, "pruned", 1.0, REASON, 5.0))
    state.note(0, started(99))
    lines = picture(state, 80)
    assert len([line for line in lines if "pruned" in line]) == MAX_ENDED
    assert next(at for at, line in enumerate(lines) if line.lstrip().startswith("99 ")) < 6


EVENTS: list[tuple[int | None, Event]] = [
    (0, started(3)),
    (0, TrialProgress(3, 100, 4.0, 100.0)),
    (0, TrialValidated(3, 300, 17.25, 40.0)),
    (None, started(4, resumed=True)),
    (None, stand([4], [], complete=1)),
    (None, stand([4], [], complete=1, waiting=1)),
    (0, TrialEnded(3, "pruned", 17.25, "too low", 9.0)),
    (1, LogMessage("worker 1 died")),
]


def test_a_log_has_a_line_an_event_and_the_budget_when_it_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = PlainDisplay(CONFIG, 2)
    display.begin(board(), "29,000 pairs")
    for worker, event in EVENTS:
        display.show(worker, event)
    header, corpus, *lines = capsys.readouterr().out.splitlines()
    assert "8 trials" in header
    assert corpus == "29,000 pairs"
    settings = "model.d_model=256 model.num_heads=8 model.d_ff=1024"
    assert lines == [
        f"trial 3 starts: 30,000,000 parameters, {settings}",
        "trial 3 step 300: BLEU 17.25 chrF 40.00",
        f"trial 4 resumes: 30,000,000 parameters, {settings} (another worker)",
        "1 of 8 trials: 1 complete, 1 running",
        "trial 3 pruned, best BLEU 17.25, 9 s: too low",
        "worker 1 died",
    ]


def test_a_program_reads_every_event_and_the_leaderboard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    display = JsonDisplay()
    display.begin(board(), "29,000 pairs")
    for worker, event in EVENTS:
        display.show(worker, event)
    display.end(board(row(0, "complete", {500: 20.0})), {}, BUDGET_SPENT)
    *lines, last = capsys.readouterr().out.splitlines()
    for (worker, event), line in zip(EVENTS, lines, strict=True):
        told = json.loads(line)
        assert told.pop("worker") == worker
        assert decode(json.dumps(told)) == event
    assert json.loads(last)["event"] == "SearchEnded"
    assert json.loads(last)["best"] == [0]


def test_who_wants_quiet_gets_the_result_alone(capsys: pytest.CaptureFixture[str]) -> None:
    display = QuietDisplay()
    display.begin(board(), "29,000 pairs")
    for worker, event in EVENTS:
        display.show(worker, event)
    assert capsys.readouterr().out == ""
    display.end(board(row(0, "complete", {500: 20.0})), {}, BUDGET_SPENT)
    assert "best: trial 0, bleu 20" in capsys.readouterr().out
