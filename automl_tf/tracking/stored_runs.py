"""Runs of a study in MLflow: found by their tags, restored if they were deleted, or created."""

import contextlib
import getpass
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from filelock import FileLock

from automl_tf.home import sqlite_file
from automl_tf.tracking.client import (
    PARENT,
    STUDY_ID_TAG,
    RunKey,
    TrackingTarget,
    connect,
    disconnect,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MAX_LOCK_SECONDS = 30.0
"""A process that holds a lock for longer is waiting for a server that does not answer."""

SETTLING_SECONDS = 1.0
"""Longer than another machine takes between looking for a study's run and having created it."""

PARENT_TAG = "mlflow.parentRunId"
_DELETED = "deleted"
_PAGE = 1000


class StudyRuns:
    """Runs of a study in MLflow, each of which exists once."""

    def __init__(self, target: TrackingTarget) -> None:
        self._target = target
        self._ids: dict[RunKey, str] = {}

    @cached_property
    def client(self) -> "MlflowClient":
        """Client of the server."""
        client = connect(self._target.tracking_uri)
        self._file = self._database_file()
        return client

    def has_lost_database(self) -> bool:
        """Returns whether the database file was deleted or replaced. Closes the old one then."""
        if "client" not in self.__dict__ or self._file == self._database_file():
            return False
        disconnect(self.client)
        return True

    def _database_file(self) -> tuple[int, int] | None:
        """Returns what tells a file from another one in its place; None if there is no file."""
        file = sqlite_file(self._target.tracking_uri)
        try:
            state = None if file is None else file.stat()
        except FileNotFoundError:
            return 0, 0
        return state and (state.st_dev, state.st_ino)

    def resolve(self, key: RunKey, start_time: int) -> str:
        """Returns the id of a run, which is restored if it was deleted, created if there is none.

        Args:
            key: The run.
            start_time: Start of a new run, in milliseconds since 1970.
        """
        if key not in self._ids:
            self._ids[key] = self._find(key, start_time) or self._create_once(key, start_time)
        return self._ids[key]

    def forget(self, key: RunKey) -> None:
        """Has a run looked up again, with its parent and its experiment, as after a deletion."""
        for known in (key, PARENT):
            self._ids.pop(known, None)
        self.__dict__.pop("_experiment_id", None)

    def stored(self, run_id: str) -> "Run | None":
        """Returns a run of MLflow, deleted or not; None if MLflow does not know it."""
        from mlflow import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def is_active(self, run_id: str) -> bool:
        """Returns whether MLflow knows a run that nobody has deleted."""
        run = self.stored(run_id)
        return run is not None and run.info.lifecycle_stage != _DELETED

    @cached_property
    def all_ids(self) -> frozenset[str]:
        """Ids of the study's runs, deleted or not, when this was first asked for.

        A trial whose parent is not among them is left out.
        """
        found = self._search({STUDY_ID_TAG: self._target.study_id})
        parents: dict[str, str | None] = {
            run.info.run_id: run.data.tags.get(PARENT_TAG) for run in found
        }
        return frozenset(one for one, parent in parents.items() if parent in (None, *parents))

    def _search(self, tags: Mapping[str, str]) -> list["Run"]:
        from mlflow.entities import ViewType

        conditions = " AND ".join(f"tags.\"{name}\" = '{value}'" for name, value in tags.items())
        found: list[Run] = []
        token: str | None = None
        while token != "":
            page = self.client.search_runs(
                [self._experiment_id], conditions, ViewType.ALL, _PAGE, page_token=token
            )
            found += page
            token = page.token or ""
        return found

    def _find(self, key: RunKey, start_time: int) -> str | None:
        """Returns the oldest run with the study's and the key's tags: all workers agree on it.

        Only where all were deleted is one of those restored.
        """
        found = self._search({STUDY_ID_TAG: self._target.study_id, **key.tags})
        runs = sorted(
            found, key=lambda run: (run.info.lifecycle_stage == _DELETED, run.info.start_time)
        )
        if not runs:
            return None
        chosen = runs[0]
        run_id = str(chosen.info.run_id)
        if chosen.info.lifecycle_stage == _DELETED:
            self._restore(run_id)
        if key.kind == "trial":
            parent_id = self.resolve(PARENT, start_time)
            if chosen.data.tags.get(PARENT_TAG) != parent_id:
                self.client.set_tag(run_id, PARENT_TAG, parent_id)
        return run_id

    def _restore(self, run_id: str) -> None:
        from mlflow import MlflowException

        try:
            self.client.restore_run(run_id)
        except MlflowException:
            if not self.is_active(run_id):  # another process may have restored it
                raise

    def _create_once(self, key: RunKey, start_time: int) -> str:
        """Creates a run unless another process does so at the same time.

        Processes of one home exclude each other by a lock. Those of other machines cannot: there
        everyone creates, waits until all can see all, keeps the oldest and deletes their own.
        """
        parent_id = self.resolve(PARENT, start_time) if key.kind == "trial" else None
        with FileLock(self._target.outbox / "runs.lock", timeout=MAX_LOCK_SECONDS):
            found = self._find(key, start_time)
            if found is not None:
                return found
            own = self._create(key, parent_id, start_time)
            if key != PARENT or sqlite_file(self._target.tracking_uri) is not None:
                return own
            time.sleep(SETTLING_SECONDS)
            oldest = self._find(key, start_time) or own
            if oldest != own:
                self.client.delete_run(own)
            return oldest

    def _create(self, key: RunKey, parent_id: str | None, start_time: int) -> str:
        tags = {
            **key.tags,
            STUDY_ID_TAG: self._target.study_id,
            "automl_tf.study": self._target.study,
            "mlflow.source.name": "automl-tf",
        }
        with contextlib.suppress(KeyError, OSError):  # a container's user may have no name
            tags["mlflow.user"] = getpass.getuser()
        if parent_id is not None:
            tags[PARENT_TAG] = parent_id
        name = self._target.title if key == PARENT else f"{key.kind} {key.label}"
        run = self.client.create_run(self._experiment_id, start_time, tags, name)
        return str(run.info.run_id)

    @cached_property
    def _experiment_id(self) -> str:
        """Id of the study's experiment, which is created or restored."""
        from mlflow import MlflowException

        name, root = self._target.study, self._target.artifact_root
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = None if root is None else (root / name).as_uri()
            # The tag tells MLflow's page to open on the runs instead of asking what this is.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            try:
                return str(self.client.create_experiment(name, location, tags))
            except MlflowException:
                experiment = self.client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            self.client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)
