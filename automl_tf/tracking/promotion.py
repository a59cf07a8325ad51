"""Aliases of registered models: the newest is the challenger, the best by test is the champion.

Serve ``models:/NAME@champion``: it changes only when a model is better beyond doubt on the same
test split.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from automl_tf.redaction import redact_message
from automl_tf.tracking.client import connect
from automl_tf.tracking.runs import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER, CHAMPION = "challenger", "champion"
TEST_HYPOTHESES = "test_hypotheses.txt"
"""Artifact of a run: the translations of the test split, one a line."""
TEST_SPLIT = "automl_tf.test_split"
"""Tag of a version: what tells whether two were tested alike."""

_logger = logging.getLogger(__name__)


def promote(
    run: Run,
    name: str,
    version: int,
    test_split: str,
    scores: Mapping[str, float],
    is_better: Callable[[list[str]], bool],
) -> bool:
    """Makes a version the challenger, and the champion if it is better than the present one.

    Its scores are logged with the model and the dataset, so that ``mlflow.search_logged_models``
    finds the best.

    Args:
        run: The run that trained it, all of which MLflow has.
        name: Name in the registry.
        version: The version.
        test_split: Digest of the test split and of how it is scored.
        scores: Its test scores by the names of the metrics.
        is_better: Asked with the champion's translations of the same split.

    Returns:
        Whether it is the champion now. What MLflow refuses is logged with the reason.
    """
    uri = run.target.tracking_uri
    try:
        client = connect(uri)
        client.set_model_version_tag(name, str(version), TEST_SPLIT, test_split)
        _log_scores(client, run, client.get_model_version(name, str(version)).model_id, scores)
        client.set_registered_model_alias(name, CHALLENGER, str(version))
        champion = client.get_registered_model(name).aliases.get(CHAMPION)
        if champion is not None and str(champion) != str(version):
            theirs = _translations(client, name, str(champion), test_split)
            if theirs is None or not is_better(theirs):
                return False
        client.set_registered_model_alias(name, CHAMPION, str(version))
    except Exception as error:  # noqa: BLE001  (drivers and servers raise what they like)
        _logger.warning("The model has no alias: %s", redact_message(str(error), uri))
        return False
    return True


def _log_scores(
    client: "MlflowClient", run: Run, model_id: str | None, scores: Mapping[str, float]
) -> None:
    assert run.run_id is not None, "a registered model has a run"
    for metric, score in scores.items():
        client.log_metric(run.run_id, metric, score, model_id=model_id)


def _translations(
    client: "MlflowClient", name: str, version: str, test_split: str
) -> list[str] | None:
    """Returns a version's translations of a test split; None if it was tested on another."""
    found = client.get_model_version(name, version)
    if found.tags.get(TEST_SPLIT) != test_split or not found.run_id:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = client.download_artifacts(found.run_id, TEST_HYPOTHESES, folder)
        return Path(path).read_text(encoding="utf-8").split("\n")[:-1]
