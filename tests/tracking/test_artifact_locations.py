"""Artifacts follow a home directory that is moved, copied or given an odd name."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils

from automl_tf.home import HomeDirectory
from automl_tf.tracking.artifact_locations import LOCATIONS
from automl_tf.tracking.client import TrackingTarget, connect
from automl_tf.tracking.runs import StudyRun
from automl_tf.tracking.sender import deliver
from tests.tracking.conftest import STUDY_ID
from tests.tracking.test_deletions import execute, log_study

LONG = 60.0


def target_in(home: Path, study: str = "toy") -> TrackingTarget:
    return TrackingTarget.of_study(home, study, STUDY_ID)


@pytest.fixture(autouse=True)
def places_are_looked_up() -> Iterator[None]:
    """MLflow remembers the place of a run's artifacts for the life of a process."""
    utils._artifact_repos_cache.clear()
    yield
    utils._artifact_repos_cache.clear()


def moved_target(home: Path) -> TrackingTarget:
    """The target of another process."""
    utils._artifact_repos_cache.clear()
    return target_in(home)


def artifacts(target: TrackingTarget) -> dict[str, list[str]]:
    """Names of the artifacts that MLflow finds, by the name of the run."""
    client = connect(target.tracking_uri)
    experiment = client.get_experiment_by_name(target.study)
    return {
        run.info.run_name: [one.path for one in client.list_artifacts(run.info.run_id)]
        for run in client.search_runs([experiment.experiment_id])
        if run.data.tags["automl_tf.kind"] == "trial"
    }


def location(target: TrackingTarget) -> str:
    return connect(target.tracking_uri).get_experiment_by_name(target.study).artifact_location


@pytest.mark.parametrize("name", ["archive", "what? 100%25 #1", "Läufe [2]"])
def test_artifacts_follow_a_home_that_was_moved(
    local: TrackingTarget, tmp_path: Path, name: str
) -> None:
    log_study(local)
    moved = tmp_path / name
    (tmp_path / "home").rename(moved)
    target = moved_target(moved)
    assert artifacts(target) == {"trial 0": ["config.yaml", "samples.json"]}
    log_study(target, 1)
    assert set(artifacts(target)) == {"trial 0", "trial 1"}
    assert all(artifacts(target).values())
    assert location(target) == (moved / "mlartifacts" / "toy").as_uri()
    assert {path.name for path in tmp_path.iterdir()} == {name}
    assert deliver(target).describe_lacks() is None


def test_a_copy_of_a_home_writes_nothing_into_the_first(
    local: TrackingTarget, tmp_path: Path
) -> None:
    log_study(local)
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    before = sorted((tmp_path / "home").rglob("*"))
    log_study(moved_target(tmp_path / "copy"), 1)
    assert sorted((tmp_path / "home").rglob("*")) == before
    assert location(local) == (tmp_path / "home" / "mlartifacts" / "toy").as_uri()


def test_homes_that_share_a_database_keep_their_own_artifacts(
    local: TrackingTarget, tmp_path: Path
) -> None:
    guest = replace(
        target_in(tmp_path / "guest", "other"),
        tracking_uri=local.tracking_uri,
    )
    log_study(guest)
    log_study(local)
    assert location(guest) == (tmp_path / "guest" / "mlartifacts" / "other").as_uri()
    assert location(local) == (tmp_path / "home" / "mlartifacts" / "toy").as_uri()


def test_a_location_of_the_users_own_stays(local: TrackingTarget, tmp_path: Path) -> None:
    elsewhere = (tmp_path / "gone" / "elsewhere").as_uri()
    connect(local.tracking_uri).create_experiment("toy", elsewhere)
    log_study(local)
    assert location(local) == elsewhere


def test_a_study_with_the_name_of_mlflows_own_experiment_stays_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    monkeypatch.chdir(beside)
    target = target_in(tmp_path / "home", "Default")
    log_study(target)
    assert artifacts(target) == {"trial 0": ["config.yaml", "samples.json"]}
    assert list(beside.iterdir()) == []
    assert location(target) == (tmp_path / "home" / "mlartifacts" / "Default").as_uri()


def test_a_study_whose_experiment_was_deleted_under_another_identity(
    local: TrackingTarget,
) -> None:
    client = connect(local.tracking_uri)
    client.delete_experiment(client.create_experiment("toy"))
    log_study(local)
    assert set(artifacts(local)) == {"trial 0"}


def test_mlflow_has_the_tables_whose_locations_are_corrected(local: TrackingTarget) -> None:
    for table, column in LOCATIONS:
        execute(local, f"SELECT {column} FROM {table}")


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    database = Path(HomeDirectory(tmp_path).path / "mlflow.db")
    database.write_bytes(b"no database" * 100)
    with pytest.raises(Exception, match="not a database"):
        StudyRun.open(target_in(tmp_path), "", {}).close(1) or connect(
            HomeDirectory(tmp_path).tracking_uri
        )
    assert database.read_bytes() == b"no database" * 100
