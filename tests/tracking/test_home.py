from pathlib import Path

import pytest

from automl_tf.tracking.home import destination, is_server, redacted


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:s3cret@mlflow.example:5000",
        "https://ann:s3cret@mlflow.example/path",
        "postgresql+psycopg://ann:s3cret@db/mlflow",
        "postgresql://ann:s3cret@with/signs@db/mlflow",
        "postgresql://db/mlflow?user=ann&password=s3cret&sslmode=require",
        "failed: http://ann:s3cret@host:1/api (see http://ann:s3cret@host:1/x)",
    ],
)
def test_no_password_is_shown(uri: str) -> None:
    assert "s3cret" not in redacted(uri)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:5000", "sqlite:////home/a/runs/mlflow.db", "https://x.example/a?b=c"]
)
def test_a_uri_without_secrets_is_shown_as_it_is(uri: str) -> None:
    assert redacted(uri) == uri


def test_a_home_keeps_its_own_runs(tmp_path: Path) -> None:
    where = destination(tmp_path, "toy")
    assert where.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert where.artifact_root == tmp_path / "mlartifacts"
    assert not is_server(where.tracking_uri)


def test_a_server_decides_where_artifacts_lie(tmp_path: Path) -> None:
    where = destination(tmp_path, "toy", "https://mlflow.example")
    assert where.artifact_root is None
    assert where.outbox.is_relative_to(tmp_path)
