"""A search by the freeze-thaw scheduler, from the study file to the exported configuration."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.cli.studies import FIXED, board, run, write_study

pytestmark = pytest.mark.slow
EVERY, FULL = 15, 90


def test_a_study_is_searched_slice_by_slice_and_no_step_is_trained_twice(
    tmp_path: Path, reversal: dict
) -> None:
    lengths = {"training.max_steps": FULL, "training.validate_every": EVERY}
    study = write_study(
        tmp_path,
        reversal,
        fixed={**FIXED, **lengths, "training.schedule": "constant", "training.ema": 0.1},
        sampler={"kind": "auto"},
        pruner={"kind": "none"},
        scheduler={"kind": "freeze_thaw"},
    )
    home = tmp_path / "home"
    said = run("search", str(study), "--workers", "1", home=home)
    view = board(home)
    assert view["counts"]["complete"] >= 1
    assert view["counts"]["failed"] == 0
    paused = [trial for trial in view["trials"] if trial["paused"]]
    for trial in view["trials"]:
        steps = [int(step) for step in trial["intermediate"]]
        assert steps == list(range(EVERY, max(steps) + 1, EVERY)), trial
        assert trial["attempt"] == 1
        ends = [session["to_step"] for session in trial["sessions"]]
        assert [session["from_step"] for session in trial["sessions"]] == [0, *ends[:-1]]
        assert ends[-1] == max(steps)
        assert trial["sessions"][-1]["reason"] == trial["reason"]
    assert all("is expected to end at BLEU" in trial["reason"] for trial in paused)
    exported = YAML(typ="safe").load(run("export", "tour", home=home))
    assert exported["training"]["max_steps"] == FULL
    assert "test split:" in said
    _, _, bundle = said.partition("bundle: ")
    assert run("translate", bundle.splitlines()[0], home=home, text="a b\nc\n").count("\n") == 2
    assert "was trained before" in run("train", "tour", home=home)
