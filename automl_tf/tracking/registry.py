"""Registers a trained bundle as an MLflow model that others load and serve."""

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from automl_tf.tracking.client import connect, mlflow
from automl_tf.tracking.home import redacted
from automl_tf.tracking.run import Run

DELIVERY_SECONDS = 60.0
"""Longest wait for MLflow to know the run."""

REQUIREMENTS = ("torch", "numpy", "tokenizers", "safetensors", "pydantic", "ruamel.yaml")
"""What a bundle needs to translate, beside the package itself and MLflow."""

_PACKAGE = Path(__file__).resolve().parent.parent
_TRACKING_URI = "MLFLOW_TRACKING_URI"

_logger = logging.getLogger(__name__)


def register_bundle(
    run: Run,
    directory: Path,
    model_name: str,
    sources: Sequence[str],
    translations: Sequence[str],
) -> int | None:
    """Logs a bundle as a model of a run and registers it under a name.

    The model holds the bundle and the package's code, and names the few libraries that translating
    needs, in the versions in use: no package index has to know the package.

    Args:
        run: The run that trained it.
        directory: The bundle.
        model_name: Name in the registry, where every call makes a new version.
        sources: Some sentences, which become the example of the input.
        translations: Their translations, for the version's description.

    Returns:
        The version; None if MLflow did not take it, which is logged with the reason.
    """
    run.flush(DELIVERY_SECONDS)
    if run.run_id is None:
        _logger.warning("The model is not registered: MLflow does not know its run yet.")
        return None
    uri = run.destination.tracking_uri
    try:
        with _global_tracking_uri(uri):
            model_id = _log(uri, run.run_id, directory, list(sources))
            note = _note(sources, translations)
            return _register(uri, run.run_id, model_id, model_name, note)
    except Exception as error:  # noqa: BLE001  (drivers and servers raise what they like)
        _logger.warning("The model is not registered: %s", redacted(str(error)))
        return None


def requirements() -> list[str]:
    """The libraries that a bundle needs, in the versions in use."""
    # No index knows a local version as in 2.13.0+cpu; any build of it will do.
    return [f"{name}=={version(name).partition('+')[0]}" for name in REQUIREMENTS]


def _log(uri: str, run_id: str, directory: Path, sources: list[str]) -> str:
    """Logs the model and returns its id."""
    client = connect(uri)
    run = client.get_run(run_id)
    # By itself MLflow would put the model into its default experiment.
    model = client.create_logged_model(
        run.info.experiment_id, "model", source_run_id=run_id, params=run.data.params
    )
    mlflow.models.Model.log(
        artifact_path=None,
        name=model.name,
        model_id=model.model_id,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        python_model=str(_PACKAGE / "tracking" / "served_model.py"),
        artifacts={"bundle": str(directory)},
        code_paths=[str(_PACKAGE)],
        pip_requirements=requirements(),
        signature=_signature(),
        input_example=sources,
    )
    return str(model.model_id)


def _register(uri: str, run_id: str, model_id: str, name: str, note: str) -> int:
    """Makes a version of a logged model; ``mlflow.register_model`` would print about it."""
    client = connect(uri)
    try:
        client.create_registered_model(name)
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        name, f"models:/{model_id}", run_id, description=note, model_id=model_id
    )
    link = json.dumps([{"name": name, "version": made.version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
    return int(made.version)


def _signature() -> mlflow.models.ModelSignature:
    """One text column in, one out; without a name, so that a plain list of sentences fits."""
    text = mlflow.types.Schema([mlflow.types.ColSpec("string")])
    params = mlflow.types.ParamSchema(
        [
            mlflow.types.ParamSpec("beam_size", "long", None),
            mlflow.types.ParamSpec("length_penalty", "double", None),
        ]
    )
    return mlflow.models.ModelSignature(inputs=text, outputs=text, params=params)


def _note(sources: Sequence[str], translations: Sequence[str]) -> str:
    rows = [
        " | ".join(text.replace("|", "\\|") for text in pair)
        for pair in zip(sources, translations, strict=True)
    ]
    return "\n".join(["| source | translation |", "|---|---|", *(f"| {row} |" for row in rows)])


@contextmanager
def _global_tracking_uri(uri: str) -> Iterator[None]:
    """Sets the one tracking URI that MLflow's models know of, and sets it back."""
    before = os.environ.get(_TRACKING_URI)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ[_TRACKING_URI] = before
