"""The runs of a study in MLflow: found again by their tags, or created, each once."""

import getpass
import time

from filelock import FileLock

from automl_tf.tracking.client import mlflow
from automl_tf.tracking.home import RunKey, TrackingTarget
from automl_tf.tracking.marks import LONGEST_LOCK_SECONDS

# Longer than another machine takes between looking for a study's run and having created it.
SETTLING_SECONDS = 1.0


class Runs:
    """Resolves the runs of a study to MLflow's ids.

    Args:
        client: The client of the server.
        destination: The study and where its runs go.
    """

    def __init__(self, client: mlflow.MlflowClient, destination: TrackingTarget) -> None:
        self._client = client
        self._destination = destination
        self._parent = RunKey("study", destination.study)
        self._ids: dict[RunKey, str] = {}
        self.experiment_id: str | None = None
        """The id of the study's experiment, once something was resolved."""

    def resolve(self, key: RunKey, start_time: int) -> str:
        """The id of a run, which is created if there is none.

        Args:
            key: The run.
            start_time: When a new run began, in milliseconds since 1970.
        """
        self.experiment_id = self.experiment_id or self._find_or_create_experiment()
        if key not in self._ids:
            self._ids[key] = self._find(key) or self._create_once(key, start_time)
        return self._ids[key]

    def known(self, key: RunKey) -> str | None:
        """The id of a run that was resolved before."""
        return self._ids.get(key)

    def _find(self, key: RunKey) -> str | None:
        """The oldest run with the key's tags: all workers agree on it."""
        conditions = [f"tags.\"{name}\" = '{value}'" for name, value in key.tags.items()]
        found = self._client.search_runs([self.experiment_id], " AND ".join(conditions))
        runs = sorted((run.info.start_time, run.info.run_id) for run in found)
        return runs[0][1] if runs else None

    def _create_once(self, key: RunKey, start_time: int) -> str:
        """Creates a run unless another process does so at the same time.

        Processes of one home exclude each other by a lock. Those of other machines cannot: there
        everyone creates, waits until all can see all, keeps the oldest and deletes their own.
        """
        is_trial = key.kind == "trial"
        parent_id = self.resolve(self._parent, start_time) if is_trial else None
        with FileLock(self._destination.outbox / "runs.lock", timeout=LONGEST_LOCK_SECONDS):
            found = self._find(key)
            if found is not None:
                return found
            own = self._create(key, parent_id, start_time)
            if key != self._parent or self._destination.tracking_uri.startswith("sqlite:"):
                return own
            time.sleep(SETTLING_SECONDS)
            oldest = self._find(key) or own
            if oldest != own:
                self._client.delete_run(own)
            return oldest

    def _create(self, key: RunKey, parent_id: str | None, start_time: int) -> str:
        tags = {
            **key.tags,
            "automl_tf.study": self._destination.study,
            "mlflow.source.name": "automl-tf",
            **_user_tag(),
        }
        if parent_id is not None:
            tags["mlflow.parentRunId"] = parent_id
        name = key.label if key == self._parent else f"{key.kind} {key.label}"
        run = self._client.create_run(self.experiment_id, start_time, tags, name)
        return str(run.info.run_id)

    def _find_or_create_experiment(self) -> str:
        name, root = self._destination.study, self._destination.artifact_root
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            location = None if root is None else (root / name).as_uri()
            # The tag tells MLflow's page to open on the runs instead of asking what this is.
            tags = {"mlflow.experimentKind": "custom_model_development"}
            try:
                return str(self._client.create_experiment(name, location, tags))
            except mlflow.MlflowException:
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)


def _user_tag() -> dict[str, str]:
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # a container's user may have no name
        return {}
