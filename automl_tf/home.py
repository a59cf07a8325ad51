"""Where everything that the program writes is: variables that say so, and the home directory."""

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "AUTOML_TF_HOME"
STORAGE_VARIABLE = "AUTOML_TF_STORAGE"
TRACKING_VARIABLE = "AUTOML_TF_TRACKING"

SHORT_ID = 8
"""Characters of a study's identifier that tell studies of one name apart on disk."""


DEFAULT_HOME = Path("runs")


def default_home() -> Path:
    """Returns the home directory where none is given: that of the environment, or ``runs``."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute()


@dataclass(frozen=True)
class HomeDirectory:
    """Paths and default URLs below one home directory.

    Attributes:
        path: The home directory, absolute.
    """

    path: Path

    @property
    def cache(self) -> Path:
        """Tokenizers and encoded corpora by content hash."""
        return self.path / "cache"

    @property
    def logs(self) -> Path:
        """Standard error of worker processes."""
        return self.path / "logs"

    @property
    def artifacts(self) -> Path:
        """Artifacts of MLflow runs, where no server keeps them."""
        return self.path / "mlartifacts"

    @property
    def storage_url(self) -> str:
        """URL of the study database."""
        return f"sqlite:///{self.path / 'studies.db'}"

    @property
    def tracking_uri(self) -> str:
        """URI of the MLflow database."""
        return f"sqlite:///{(self.path / 'mlflow.db').as_posix()}"

    def study(self, name: str, study_id: str) -> Path:
        """Directory of a study: its trials' checkpoints, its outbox, its summary.

        Args:
            name: Name of the study.
            study_id: Its UUID. Studies of one name in different databases share no directory.
        """
        return self.path / "studies" / f"{name}-{study_id[:SHORT_ID]}"

    def trial(self, name: str, study_id: str, number: int) -> Path:
        """Directory of a trial: its checkpoint and its weights.

        Args:
            name: Name of the study.
            study_id: UUID of the study.
            number: Number of the trial.
        """
        return self.study(name, study_id) / f"trial-{number:04d}"

    def training(self, label: str) -> Path:
        """Directory of the training of an export.

        Args:
            label: Name of the training, which follows from its configuration.
        """
        return self.path / "training" / label

    def bundle(self, label: str) -> Path:
        """Default directory of the bundle that a training ends with."""
        return self.path / "bundles" / label
