"""`translate` as a person or a program uses it: line by line through a pipe, or a file at once."""

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from automl_tf.bundle.bundle import Bundle, load
from automl_tf.cli import lines
from automl_tf.cli.lines import read_blocks
from automl_tf.config.settings import TrialConfig
from automl_tf.data.prepare import PreparedData
from automl_tf.data.subwords import PAD
from automl_tf.errors import UserError
from automl_tf.model.transformer import Transformer

LONG = 300
"""Seconds until a test gives up on a busy machine."""
ODD = [
    b"eins zwei",
    b"",
    b"   ",
    b"eins\x00zwei",
    b"eins\rzwei",
    b"zwei\r",
    "eins\u2028zwei\u2029drei\x85vier".encode(),
    b"\x0b\x0c\x1c\x1d\x1e",
    "\ufeffdrei 日本語 👩‍👩‍👧 \u202e".encode(),
    b"acht " * 50,
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, reversal: dict, cache: Path) -> Path:
    """A bundle of an untrained model."""
    from automl_tf.data.prepare import prepare
    from tests.conftest import small_config

    config = small_config(reversal)
    data: PreparedData = prepare(config, cache)
    torch.manual_seed(1)
    model = _model(config, data)
    folder = tmp_path_factory.mktemp("bundle")
    Bundle(config, data.vocabulary, model.state_dict(), {}).save(folder)
    return folder


def _model(config: TrialConfig, data: PreparedData) -> Transformer:
    return Transformer(config.model, data.sizes, config.data.longest_sequence, PAD)


@contextmanager
def translating(bundle: Path, stdin: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """The command, waiting for lines."""
    process = subprocess.Popen(
        [sys.executable, "-m", "automl_tf", "translate", str(bundle), "--beam-size", "2"],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of its output."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], LONG)
        assert ready, "no answer"
        byte = os.read(process.stdout.fileno(), 1)
        assert byte, process.stderr.read() if process.stderr else ""
        line += byte
    return line


def test_a_line_is_answered_before_the_pipe_closes(bundle: Path) -> None:
    expected = load(bundle).translate(["eins zwei", "drei"], beam_size=2)
    with translating(bundle) as process:
        assert process.stdin is not None
        for line, translation in zip(["eins zwei", "drei"], expected, strict=True):
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()
            assert answer(process).decode() == f"{translation}\n"
        process.stdin.write(b"unfinished")
        process.stdin.close()
        process.stdin = None
        assert answer(process)
        assert process.wait(LONG) == 0


def test_a_line_of_a_terminal_is_answered(bundle: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        with translating(bundle, theirs) as process:
            os.write(ours, b"eins zwei\n")
            expected = load(bundle).translate(["eins zwei"], beam_size=2)
            assert answer(process).decode() == f"{expected[0]}\n"
            os.write(ours, b"\x04")
            assert process.wait(LONG) == 0
    finally:
        os.close(ours)
        os.close(theirs)


def test_one_line_for_each_in_order(bundle: Path) -> None:
    given = [line for _ in range(150) for line in ODD]
    with translating(bundle) as process:
        output, told = process.communicate(b"".join(line + b"\n" for line in given), LONG)
        assert process.returncode == 0, told
    found = output.decode().split("\n")
    assert found.pop() == ""
    texts = [line.decode() for line in given]
    assert found == load(bundle).translate(texts, beam_size=2)
    assert all(len(line.splitlines()) <= 1 for line in found)
    assert found[1] == found[2] == ""
    assert told.decode() == "note: 300 lines of more than 32 subwords were translated in parts.\n"


def _blocks(data: bytes, tmp_path: Path) -> list[list[str]]:
    path = tmp_path / "input.txt"
    path.write_bytes(data)
    return list(read_blocks(path))


def test_a_file_comes_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_CHUNK", 37)
    given = [f"line {number}" + "x" * (number % 80) for number in range(2500)]
    for end in ("", "\n"):
        blocks = _blocks(("\n".join(given) + end).encode(), tmp_path)
        assert [line for block in blocks for line in block] == given
        assert list(map(len, blocks)) == [1024, 1024, 452]
    assert _blocks(b"", tmp_path) == []


def test_lines_before_one_that_is_no_text_are_given(tmp_path: Path) -> None:
    path = tmp_path / "input.txt"
    path.write_bytes(b"one\ntwo\n\xff\xfe\nfour\n")
    blocks = read_blocks(path)
    assert next(blocks) == ["one", "two"]
    with pytest.raises(UserError, match="Line 3 of"):
        next(blocks)


def test_what_waits_in_a_pipe_is_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        monkeypatch.setattr(sys, "stdin", type("", (), {"buffer": stream}))
        blocks = read_blocks(None)
        pipe.write(b"one\ntwo\nthr")
        assert next(blocks) == ["one", "two"]
        pipe.write(b"ee\n")
        assert next(blocks) == ["three"]
        pipe.write(b"four")
        pipe.close()
        assert list(blocks) == [["four"]]
