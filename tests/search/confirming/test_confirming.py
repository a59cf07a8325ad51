"""A search that trains and confirms, in this process, with what MLflow is told of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest

from automl_tf.cli.summary import plain_line
from automl_tf.config.files import read_study
from automl_tf.search.events import Event
from automl_tf.search.join import join
from automl_tf.search.run import Locations, open_search
from automl_tf.search.storage import default_url
from automl_tf.search.study_view import leaderboard
from automl_tf.tracking.home import default_tracking_uri
from tests.cli.studies import FIXED, write_study

SHORT = {**FIXED, "training.max_steps": 60}


def run(folder: Path, corpus: dict, **changes: Any) -> tuple[Mapping[str, Any], list[Event]]:
    """A search of two trials by one worker; the leaderboard after it, and what was told."""
    file = write_study(folder, corpus, fixed=SHORT, budget={"trials": 2}, **changes)
    home = folder / "home"
    places = Locations(home, default_url(home), default_tracking_uri(home))
    opened = open_search(read_study(file, []), places)
    told: list[Event] = []
    join(opened, places, told.append)
    return leaderboard(opened.study).to_json(), told


@pytest.mark.slow
def test_a_search_that_is_asked_to_confirms_its_best(tmp_path: Path, reversal: dict) -> None:
    before, _ = run(tmp_path, reversal)
    assert before["confirmation"] is None
    # A pruner that would stop every trial.
    found, told = run(
        tmp_path,
        reversal,
        pruner={"kind": "threshold", "lower": 99.0},
        confirm={"top": 2, "seeds": 2},
    )
    again = found["trials"][2:]
    assert found["trials"][:2] == before["trials"]
    assert found["counts"] == {**before["counts"], "complete": 6}
    assert sorted(trial["confirms"] for trial in again) == [0, 0, 1, 1]
    for trial in again:
        first = found["trials"][trial["confirms"]]
        assert trial["params"] == first["params"]
        # Another seed: another curve.
        assert trial["intermediate"].keys() == first["intermediate"].keys()
        assert trial["intermediate"] != first["intermediate"]
    means = {one["trial"]: one["mean"] for one in found["confirmation"]["configurations"]}
    winner = found["confirmation"]["winner"]
    assert [winner] == found["best"] == [max(means, key=means.__getitem__)]
    lines = [line for event in told if (line := plain_line(event))]
    assert sum("starts, confirms trial 1" in line for line in lines) == 2

    client = mlflow.MlflowClient(default_tracking_uri(tmp_path / "home"))
    experiment = client.get_experiment_by_name("tour")
    runs = client.search_runs([experiment.experiment_id], "tags.confirms != ''")
    assert len(runs) == 4
    for one in runs:
        number = one.data.tags["confirms"]
        assert f"confirms trial {number}" in one.info.run_name
        assert f"confirms trial {number} with another seed" in one.data.tags["mlflow.note.content"]
