"""Registers a trained bundle as an MLflow model that others load and serve."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from automl_tf.redaction import redact_message
from automl_tf.tracking.client import MLFLOW_VARIABLE, connect
from automl_tf.tracking.runs import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

DELIVERY_SECONDS = 60.0
"""Longest wait until MLflow knows the run, and until it has all of it."""

REQUIREMENTS = (
    "torch",
    "numpy",
    "tokenizers",
    "safetensors",
    "pydantic",
    "ruamel.yaml",
    "psutil",
)
"""Libraries that a bundle needs to translate, beside the package itself and MLflow."""

_PACKAGE = Path(__file__).resolve().parent.parent

_logger = logging.getLogger(__name__)


def register_bundle(
    run: Run,
    directory: Path,
    model_name: str,
    sources: Sequence[str],
    translations: Sequence[str],
    of_engine: Sequence[str] = (),
) -> int | None:
    """Logs a bundle as a model of a run and registers it under a name.

    The model holds the bundle and the package's code, and names the few libraries that translating
    needs, in the versions in use: no package index has to know the package.

    Args:
        run: Run that trained it.
        directory: Directory of the bundle.
        model_name: Name in the registry, where every call makes a new version.
        sources: Sentences for the example of the input.
        translations: Their translations, for the version's description.
        of_engine: Libraries that the bundle's engine needs beside those of every bundle.

    Returns:
        The version; None if MLflow did not accept it, which is logged with the reason.
    """
    run.flush(DELIVERY_SECONDS)
    if run.run_id is None:
        _logger.warning("The model is not registered: MLflow does not know its run yet.")
        return None
    uri = run.target.tracking_uri
    try:
        with _global_tracking_uri(uri), _plainly_named(directory) as bundle:
            client = connect(uri)
            model_id = _log(client, run.run_id, bundle, list(sources), (*REQUIREMENTS, *of_engine))
            note = _note(sources, translations)
            return _register(client, run.run_id, model_id, model_name, note)
    except Exception as error:  # noqa: BLE001  (drivers and servers raise what they like)
        _logger.warning("The model is not registered: %s", redact_message(str(error), uri))
        return None


def _log(
    client: "MlflowClient",
    run_id: str,
    directory: Path,
    sources: list[str],
    requirements: Sequence[str],
) -> str:
    """Logs the model and returns its id."""
    import mlflow

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
        # No index knows a local version as in 2.13.0+cpu; any build of it will do.
        pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in requirements],
        signature=_signature(),
        input_example=sources,
    )
    return str(model.model_id)


def _register(client: "MlflowClient", run_id: str, model_id: str, name: str, note: str) -> int:
    """Makes a version of a logged model; ``mlflow.register_model`` would print about it."""
    from mlflow import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        name, f"models:/{model_id}", run_id, description=note, model_id=model_id
    )
    link = json.dumps([{"name": name, "version": made.version}])
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": link})
    return int(made.version)


def _signature() -> "ModelSignature":
    """Returns one text column in, one out; without a name, so that a plain list fits."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    text = Schema([ColSpec("string")])
    params = [ParamSpec("beam_size", "long", None), ParamSpec("length_penalty", "double", None)]
    return ModelSignature(inputs=text, outputs=text, params=ParamSchema(params))


def _note(sources: Sequence[str], translations: Sequence[str]) -> str:
    rows = [("source", "translation"), ("---", "---"), *zip(sources, translations, strict=True)]
    cells = [[text.replace("|", "\\|") for text in row] for row in rows]
    return "\n".join(f"| {source} | {translation} |" for source, translation in cells)


@contextmanager
def _plainly_named(directory: Path) -> Iterator[Path]:
    """Yields a directory, or a copy of it if MLflow would take its name for a URI's."""
    if not set(str(directory)) & set("%?#"):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="automl-tf-") as folder:
        yield Path(shutil.copytree(directory, Path(folder) / "bundle"))


@contextmanager
def _global_tracking_uri(uri: str) -> Iterator[None]:
    """Sets the one tracking URI that MLflow's model API uses, and restores the one before."""
    import mlflow

    before = os.environ.get(MLFLOW_VARIABLE)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
