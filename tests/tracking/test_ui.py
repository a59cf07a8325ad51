import multiprocessing
import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from automl_tf.errors import UserError
from automl_tf.tracking.client import TrackingTarget, connect
from automl_tf.tracking.runs import StudyRun
from automl_tf.tracking.ui import Address, serve


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve_and_tell(where: TrackingTarget, port: int, told) -> None:
    address = Address(port=port)
    serve(where.outbox.parents[2], where.tracking_uri, address, where.study, told.put)
    told.put("stopped")


@pytest.mark.slow
def test_the_page_is_served_until_it_is_stopped(local: TrackingTarget) -> None:
    study = StudyRun.open(local, "", {})
    assert study.close(60)
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    port = free_port()
    process = context.Process(target=serve_and_tell, args=(local, port, told))
    process.start()
    url = told.get(timeout=120)
    experiment = connect(local.tracking_uri).get_experiment_by_name(local.study)
    assert url == f"http://127.0.0.1:{port}/#/experiments/{experiment.experiment_id}/runs"
    with urlopen(url.partition("#")[0], timeout=20) as page:
        assert b"<html" in page.read()
    process.terminate()
    assert told.get(timeout=30) == "stopped"
    process.join(30)
    assert process.exitcode == 0
    with pytest.raises(URLError):
        urlopen(url, timeout=5)


def test_a_port_in_use_is_the_users_to_mend(local: TrackingTarget, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} .*--port"):
            serve(tmp_path, local.tracking_uri, Address(port=port), None, print)


@pytest.mark.slow
def test_a_broken_store_is_the_users_to_mend(tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    store.write_text("this is no database, however long one looks at it" * 100)
    with pytest.raises(UserError, match="server ended") as raised:
        serve(tmp_path, f"sqlite:///{store}", Address(port=free_port()), None, print)
    assert raised.value.place.path.read_text()


def test_a_remote_server_is_pointed_at(tmp_path: Path) -> None:
    told: list[str] = []
    serve(tmp_path, "http://ann:s3cret@127.0.0.1:9/", Address(), "toy", told.append)
    assert told == ["http://127.0.0.1:9"]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (Address(), "http://127.0.0.1:5000"),
        (Address("0.0.0.0", 80), "http://127.0.0.1:80"),
        (Address("::1", 81), "http://[::1]:81"),
    ],
)
def test_the_address_is_one_for_a_browser(address: Address, url: str) -> None:
    assert address.url == url
