"""`translate` as a person or a program uses it: line by line through a pipe, or a file at once."""

import contextlib
import gzip
import json
import os
import pty
import random
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from automl_tf.bundle.bundle import Bundle, load
from automl_tf.cli import lines
from automl_tf.cli.lines import read_blocks
from automl_tf.cli.models import evaluate
from automl_tf.cli.outputs import check_output, write_output
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


def test_bytes_that_are_no_text_cost_no_line(tmp_path: Path) -> None:
    path = tmp_path / "input.txt"
    path.write_bytes(b"one\ntwo\n\xe4\xc3\nfour\n\xed\xa0\x80five\xff")
    invalid: list[int] = []
    (found,) = read_blocks(path, invalid.append)
    assert found == ["one", "two", "\ufffd\ufffd", "four", "\ufffd\ufffd\ufffdfive\ufffd"]
    assert invalid == [3, 5]


def test_any_bytes_keep_their_number_of_lines(tmp_path: Path) -> None:
    rng = random.Random(1)
    parts = [*(bytes([byte]) for byte in range(256)), b"\n", b"\r\n", b"\n\n", "ä\u2028".encode()]
    for _ in range(50):
        data = b"x" + b"".join(rng.choices(parts, k=rng.randint(0, 300)))
        found = [line for block in _blocks(data, tmp_path) for line in block]
        assert len(found) == data.count(b"\n") + (not data.endswith(b"\n"))


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_is_one_error(mark: bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is UTF-16\. Convert it to UTF-8"):
        _blocks(mark + "eins\nzwei\n".encode("utf-16-le"), tmp_path)


@pytest.mark.parametrize("name", ["input.txt.gz", "input", "INPUT.GZ"])
def test_compressed_text_is_read_by_every_way_in(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["eins", "", "zwei\u2028drei", *map(str, range(2000))]
    path = tmp_path / name
    path.write_bytes(gzip.compress("\n".join(given).encode()))
    assert [line for block in read_blocks(path) for line in block] == given
    for way in ("stdin is a file", "stdin is a pipe", "a pipe by name"):
        with contextlib.ExitStack() as stack:
            source = tmp_path / "pipe" if way == "a pipe by name" else None
            if way == "stdin is a file":
                stream = stack.enter_context(path.open("rb"))
                monkeypatch.setattr(sys, "stdin", type("", (), {"buffer": stream}))
            else:
                stack.enter_context(_pipe(path.read_bytes(), source, monkeypatch))
            found = [line for block in read_blocks(source) for line in block]
        assert found == given, way


@contextmanager
def _pipe(data: bytes, name: Path | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input as a pipe, or a pipe of a name, that somebody fills and closes."""
    if name is None:
        reading, writing = os.pipe()
        stream = os.fdopen(reading, "rb")
        monkeypatch.setattr(sys, "stdin", type("", (), {"buffer": stream}))
        place: int | Path = writing
    else:
        os.mkfifo(name)
        place = name
    filling = threading.Thread(target=_fill, args=(place, data))
    filling.start()
    yield
    filling.join(LONG)


def _fill(place: int | Path, data: bytes) -> None:
    with open(place, "wb") as pipe:  # noqa: PTH123 - it may be a descriptor
        pipe.write(data)


def test_a_line_of_a_pipe_with_a_name_is_not_waited_behind(tmp_path: Path) -> None:
    name = tmp_path / "pipe"
    os.mkfifo(name)
    # As process substitution gives it; who opens both ends does not wait for the other side.
    pipe = os.open(name, os.O_RDWR)
    try:
        os.write(pipe, b"eins\nzwei\ndr")
        blocks = read_blocks(name)
        assert next(blocks) == ["eins", "zwei"]
        os.write(pipe, b"ei\n")
        assert next(blocks) == ["drei"]
    finally:
        os.close(pipe)
    assert list(blocks) == []


def test_closed_input_and_missing_files_are_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    for file in (None, tmp_path, tmp_path / "none.txt", tmp_path / ("x" * 300)):
        with pytest.raises(UserError):
            list(read_blocks(file))


def test_evaluate_names_its_tokenizer_and_reads_compressed_text(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("source", "target"):
        lines = "".join(f"{' '.join([word] * 5)}\n" for word in ("eins", "zwei", "drei"))
        (tmp_path / side).write_bytes(gzip.compress(lines.encode()))
    files = {side: tmp_path / side for side in ("source", "target")}
    output = tmp_path / "new" / "folder" / "hypotheses.txt"
    evaluate(bundle, **files, output=output, tokenize="intl", as_json=True)
    assert "tok:intl" in json.loads(capsys.readouterr().out)["bleu_signature"]
    assert output.read_text(encoding="utf-8").count("\n") == 3
    evaluate(bundle, **files, as_json=True)
    assert "tok:13a" in json.loads(capsys.readouterr().out)["bleu_signature"]
    with pytest.raises(UserError, match=r"no tokenizer mecab\. Use one of auto, 13a"):
        evaluate(bundle, **files, tokenize="mecab")


def test_an_output_that_cannot_be_written_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "folder"
    folder.mkdir()
    for output in (folder, tmp_path / "file" / "out", tmp_path / ("x" * 300) / "out"):
        # The bundle would be missed only after it.
        with pytest.raises(UserError, match="cannot be written"):
            evaluate(tmp_path / "no bundle", output=output)
        with pytest.raises(UserError, match="cannot be written"):
            write_output(output, "text")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UserError, match="may not write"):
        check_output(folder / "new")


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
