"""A live search is told by the clock, and what was seen is kept when it is ended early."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from automl_tf.search.events import TrialEnded, TrialProgress, TrialStarted, TrialValidated, encode
from benchmarks.accounts import Account
from tests.cli.studies import FIXED, SPACE, write_study

ROOT = Path(__file__).resolve().parents[2]
CORPUS = {"kind": "synthetic", "train_pairs": 1000, "validation_pairs": 40, "test_pairs": 10}


def test_the_incumbent_is_the_best_so_far_of_all_trials() -> None:
    account = Account()
    told = [(1.0, 0, 10, 5.0), (2.0, 0, 20, 7.0), (3.0, 1, 10, 6.0), (4.0, 1, 20, 7.0)]
    told.append((5.0, 1, 30, 9.0))
    for minutes, trial, step, bleu in told:
        account.note(minutes, encode(TrialValidated(trial, step, bleu, 0.0)))
    for minutes in (0.5, *(point[0] for point in told), 6.0):
        seen = [bleu for at, _, _, bleu in told if at <= minutes]
        assert account.best_at(minutes) == (max(seen) if seen else None)
    assert account.minutes_to(7.0) == 2.0
    assert account.minutes_to(7.5) == 5.0
    assert account.minutes_to(9.5) is None
    assert account.validations == len(told)


def test_trials_are_counted_by_their_last_state() -> None:
    account = Account()
    for trial in range(3):
        account.note(
            trial, encode(TrialStarted(trial, {"model.d_model": 16}, 1000, 80, resumed=False))
        )
    account.note(3.0, encode(TrialEnded(0, "pruned", 1.0, "slow", 60.0)))
    account.note(4.0, encode(TrialEnded(1, "failed", None, "diverged", 60.0)))
    assert [account.count(state) for state in ("pruned", "failed", "running")] == [1, 1, 1]
    assert account.trials[0]["reason"] == "slow"
    assert account.trials[0]["params"] == {"model.d_model": 16}


@pytest.mark.parametrize(
    "line", ["", "a library's print", "[1]", "7", '{"event": "Other"}', "{}", "null"]
)
def test_other_lines_count_for_nothing(line: str) -> None:
    account = Account()
    assert account.note(1.0, line) is None
    assert account.note(1.0, encode(TrialProgress(0, 10, 5.0, 100.0))) is None
    assert account == Account()


@pytest.mark.slow
def test_what_was_seen_is_published_when_it_is_ended_early(tmp_path: Path) -> None:
    found = _ended_once_both_have_validated(tmp_path)
    assert not found["measured"]["is_whole"]
    for account in found["measured"]["seeds"]["3"].values():
        points, trials = account["incumbent"], account["trials"]
        assert [point["bleu"] for point in points] == sorted({point["bleu"] for point in points})
        assert [point["minutes"] for point in points] == sorted(
            point["minutes"] for point in points
        )
        for point in points:
            trial = trials[str(point["trial"])]
            assert trial["began"] < point["minutes"]
            assert set(trial["params"]) == set(SPACE)
            assert point["step"] % FIXED["training.validate_every"] == 0
    assert (tmp_path / "search_live.png").stat().st_size > 0


def _ended_once_both_have_validated(folder: Path) -> dict[str, Any]:
    study = write_study(folder, CORPUS)
    program = [sys.executable, str(ROOT / "benchmarks" / "search_live.py")]
    words = [f"--study={study}", "--minutes=2", "--seeds=3", f"--results={folder}"]
    running = subprocess.Popen(
        [*program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    waited_for, told = {"plain", "ours"}, []
    for line in running.stderr:
        told.append(line)
        if waited_for and " BLEU " in line:
            waited_for.discard(line.split()[2])
            if not waited_for:
                running.send_signal(signal.SIGTERM)
    assert running.wait(60) != 0, "it says that it did not have its time"
    assert not waited_for, "".join(told)
    found: dict[str, Any] = json.loads((folder / "search_live.json").read_text())
    return found
