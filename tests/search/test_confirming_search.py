"""A search that trains and confirms, in this process, with what MLflow is told of it."""

from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest

from automl_tf.cli.text import format_event
from automl_tf.config.files import read_study
from automl_tf.home import HomeDirectory
from automl_tf.search.confirmation import confirmation_study
from automl_tf.search.events import Event
from automl_tf.search.join import join
from automl_tf.search.optuna_compat import storage_of
from automl_tf.search.run import Locations, open_search
from automl_tf.search.storage import default_url
from automl_tf.search.study_view import StudyView
from tests.cli.studies import FIXED, write_study
from tests.search.making import Listener

SHORT = {**FIXED, "training.max_steps": 60}


def run(folder: Path, corpus: dict, **changes: Any) -> tuple[optuna.Study, list[Event]]:
    """A search of two trials by one worker: its study, and what was told."""
    file = write_study(folder, corpus, fixed=SHORT, budget={"trials": 2}, **changes)
    home = folder / "home"
    places = Locations(home, default_url(home), HomeDirectory(home).tracking_uri)
    opened = open_search(read_study(file, []), places)
    listener = Listener()
    join(opened, places, listener)
    return opened.study, listener.told


@pytest.mark.slow
def test_a_search_that_is_asked_to_confirms_its_best(tmp_path: Path, reversal: dict) -> None:
    study, _ = run(tmp_path, reversal)
    before = StudyView.read(study).to_json()
    assert before["confirmation"] is None
    # A pruner that would stop every trial.
    study, told = run(
        tmp_path,
        reversal,
        pruner={"kind": "threshold", "lower": 99.0},
        confirm={"top": 2, "seeds": 2},
    )
    found = StudyView.read(study).to_json()
    assert found["trials"] == before["trials"]
    assert found["counts"] == before["counts"]
    again = confirmation_study(storage_of(study), study)
    repeated = StudyView.read(again).to_json()["trials"]
    assert sorted(trial["confirms"] for trial in repeated) == [0, 0, 1, 1]
    for trial in repeated:
        first = found["trials"][trial["confirms"]]
        assert trial["state"] == "complete"
        assert trial["params"] == first["params"]
        # Another seed: another curve.
        assert trial["intermediate"].keys() == first["intermediate"].keys()
        assert trial["intermediate"] != first["intermediate"]
    means = {one["trial"]: one["mean"] for one in found["confirmation"]["configurations"]}
    winner = found["confirmation"]["winner"]
    assert [winner] == found["best"] == [max(means, key=means.__getitem__)]
    lines = [line for event in told if (line := format_event(event))]
    assert sum(" of trial 1 starts" in line for line in lines) == 2

    client = mlflow.MlflowClient(HomeDirectory(tmp_path / "home").tracking_uri)
    experiment = client.get_experiment_by_name("tour")
    runs = client.search_runs([experiment.experiment_id], "tags.confirms != ''")
    assert len(runs) == 4
    for one in runs:
        number = one.data.tags["confirms"]
        assert f"confirms trial {number}" in one.info.run_name
        assert f"confirms trial {number} with another seed" in one.data.tags["mlflow.note.content"]
