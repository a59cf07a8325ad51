"""What many tests need: a small corpus, prepared, and configurations that train in seconds."""

import gc
import os
import random
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData, prepare
from automl_tf.tracking.client import configure_mlflow
from benchmarks.servers import PostgreSQL, find_programs

# Several processes test at once, and each trains: with a thread for every core they wait for each
# other. What the tests start inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
# As the command line does: no telemetry, and a dead server is noticed at once.
configure_mlflow()


def pytest_collection_finish() -> None:
    """Spares each training the search for garbage among all that the tests have imported."""
    gc.collect()
    gc.freeze()


WORDS = ["eins", "zwei", "drei", "vier", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]


def write_reversal(
    folder: Path, *, pairs: int = 1000, held_out: int = 40, shortest: int = 2
) -> dict:
    """Files of a language pair whose translation is the sentence backwards."""
    rng = random.Random(1)
    sentences: dict[str, None] = {}
    while len(sentences) < pairs + 2 * held_out:
        length = rng.randint(shortest, 6)
        sentences[" ".join(rng.choice(WORDS) for _ in range(length))] = None
    lines = list(sentences)
    cuts = {"train": lines[: -2 * held_out], "validation": lines[-2 * held_out : -held_out]}
    cuts["test"] = lines[-held_out:]
    corpus: dict = {"kind": "files", "source_lang": "de", "target_lang": "en"}
    for split, chosen in cuts.items():
        source, target = folder / f"{split}.de", folder / f"{split}.en"
        source.write_text("".join(f"{line}\n" for line in chosen), encoding="utf-8")
        backwards = (" ".join(reversed(line.split())) for line in chosen)
        target.write_text("".join(f"{line}\n" for line in backwards), encoding="utf-8")
        corpus[split] = {"source": str(source), "target": str(target)}
    return corpus


@pytest.fixture(scope="session")
def reversal(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """A corpus of files, as a study file would give it."""
    return write_reversal(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory that all tests share."""
    return tmp_path_factory.mktemp("cache")


def small_config(corpus: dict, **changes: object) -> TrialConfig:
    """A model of a few thousand parameters that trains for some steps.

    Args:
        corpus: The corpus.
        changes: Settings by dotted path with ``__`` for the dot.
    """
    groups: dict[str, dict[str, object]] = {
        "model": {
            "d_model": 32,
            "num_heads": 2,
            "d_ff": 64,
            "encoder_layers": 1,
            "decoder_layers": 1,
        },
        "training": {
            "max_steps": 12,
            "validate_every": 4,
            "warmup_steps": 4,
            "batch_tokens": 256,
            "learning_rate": 5e-3,
        },
        "data": {"vocab_size": 200, "max_length": 32},
    }
    for name, value in changes.items():
        group, setting = name.split("__")
        groups.setdefault(group, {})[setting] = value
    return TrialConfig.model_validate({"corpus": corpus, "seed": 7, **groups})


@pytest.fixture
def config(reversal: dict) -> TrialConfig:
    """The small configuration as it is."""
    return small_config(reversal)


@pytest.fixture
def data(config: TrialConfig, cache: Path) -> PreparedData:
    """The reversal corpus, prepared."""
    return prepare(config, cache)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL that belongs to the tests."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed: neither pg_ctl nor /usr/lib/postgresql/*/bin")
    pytest.importorskip("psycopg", reason="automl-tf[postgresql] is not installed")
    with PostgreSQL.running(programs) as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: PostgreSQL) -> str:
    """The URL of an empty database on the tests' server."""
    database = f"test_{secrets.token_hex(4)}"
    postgresql_server.create(database)
    return postgresql_server.url(database)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium: Debian's, or the one that playwright has installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with playwright.sync_playwright() as driver:
        if program is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip("no Chromium here: playwright install chromium")
        chromium = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
