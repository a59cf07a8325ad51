"""The one door to MLflow: every module of this package reaches it through here.

MLflow reads its settings from the environment, partly while it is imported. A person's own
settings win over those below.
"""

import logging
import os

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A dead server shall be noticed in seconds: the courier tries again by itself.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402  (it must find the settings above)

# Whoever imported MLflow first in this process did so without the setting above.
logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])

__all__ = ["connect", "mlflow"]


def connect(tracking_uri: str) -> mlflow.MlflowClient:
    """A client of a tracking server or store.

    For a database this creates or updates its tables and takes up to some seconds; a server is not
    contacted before the first call.

    Args:
        tracking_uri: A server (``http://…``) or a database (``sqlite:///…``).

    Raises:
        Exception: Whatever the database's driver raises when there is none to be had.
    """
    return mlflow.MlflowClient(tracking_uri=tracking_uri)
