"""Where a study's runs are kept, and how they are told apart."""

import re
from dataclasses import dataclass
from pathlib import Path

HIDDEN = "***"
"""What is shown in place of a secret."""

_USER_INFO = re.compile(r"(?<=://)\S*@")
_SECRET_OPTION = re.compile(
    r"([?&][^=&\s]*(?:passw|pwd|token|secret)[^=&\s]*=)[^&\s]*", re.IGNORECASE
)


@dataclass(frozen=True)
class TrackingTarget:
    """Where the runs of one study go.

    Attributes:
        study: Name of the study, which is also the name of its MLflow experiment.
        tracking_uri: The MLflow server or database. It may hold a password: show only
            ``redacted(tracking_uri)``.
        artifact_root: Directory for the artifacts of all studies; None leaves the place to the
            server.
        outbox: Directory of the study's journals, where what is logged waits for its delivery.
    """

    study: str
    tracking_uri: str
    artifact_root: Path | None
    outbox: Path


@dataclass(frozen=True)
class RunKey:
    """Which run of a study, whether or not MLflow knows it yet.

    Attributes:
        kind: ``study`` (the parent of the trials), ``trial`` or ``training``.
        label: The study's name, the trial's number, or a name for the training.
    """

    kind: str
    label: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which the run is found again."""
        return {"automl_tf.kind": self.kind, f"automl_tf.{self.kind}": self.label}

    @property
    def is_parent(self) -> bool:
        """Whether this is the run that trials are nested under."""
        return self.kind == "study"

    def __str__(self) -> str:
        return f"{self.kind}-{self.label}"

    @classmethod
    def parse(cls, text: str) -> "RunKey":
        """The key that was written as ``text``."""
        kind, _, label = text.partition("-")
        return cls(kind, label)


def default_tracking_uri(home: Path) -> str:
    """The home's own tracking database."""
    return f"sqlite:///{(home.absolute() / 'mlflow.db').as_posix()}"


def is_server(tracking_uri: str) -> bool:
    """Whether runs go to a tracking server, which has an address for a browser."""
    return tracking_uri.startswith(("http://", "https://"))


def destination(home: Path, study: str, tracking_uri: str | None = None) -> TrackingTarget:
    """Where a study of a home directory keeps its runs.

    Args:
        home: The home directory.
        study: Name of the study.
        tracking_uri: An MLflow server or database; the home's own database when not given.
    """
    uri = tracking_uri or default_tracking_uri(home)
    return TrackingTarget(
        study=study,
        tracking_uri=uri,
        artifact_root=None if is_server(uri) else home.absolute() / "mlartifacts",
        outbox=home.absolute() / "studies" / study / "outbox",
    )


def redacted(text: str) -> str:
    """A URI, or a message that holds some, without user names, passwords and tokens.

    It would rather hide too much than too little: all from ``://`` to the last ``@`` goes.
    """
    return _SECRET_OPTION.sub(rf"\1{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))
