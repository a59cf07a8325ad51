import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from automl_tf.data.readers.text_files import AlignedFiles, read_lines
from automl_tf.errors import UserError


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


COMPRESSIONS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}


def read(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    return list(read_lines(path, "corpus.train.source"))


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\r\nb", ["a", "b"]),
        ("a\n\nb\n\n", ["a", "", "b", ""]),
        ("\ufeffa\n", ["a"]),
        ("a\u2028b\x0cc\x85d\x1ce\vf\n", ["a\u2028b\x0cc\x85d\x1ce\vf"]),
        ("\n", [""]),
        ("lone\rreturn\r\r\nb\r\rc", ["lone return", "b c"]),
        ("classic\rMac\r", ["classic", "Mac"]),
    ],
)
def test_only_line_feeds_end_lines(content: str, lines: list[str], tmp_path: Path) -> None:
    assert read(tmp_path / "plain", content.encode()) == lines
    for compress in COMPRESSIONS.values():
        assert read(tmp_path / "unmarked", compress(content.encode())) == lines
    for encoding in ("utf-16", "utf-32"):
        assert read(tmp_path / "wide", content.removeprefix("\ufeff").encode(encoding)) == lines


def test_the_name_of_a_file_does_not_tell_how_it_is_compressed(tmp_path: Path) -> None:
    for ending in (".gz", ".GZ", ".xz", ".zst", ".bz2", ".txt", ""):
        path = tmp_path / f"50% [v2] #1?{ending}"
        for compress in (bytes, *COMPRESSIONS.values()):
            assert read(path, compress(b"one\ntwo\n")) == ["one", "two"]
        assert read(path, gzip.compress(b"one\n") + gzip.compress(b"two\n")) == ["one", "two"]


@pytest.mark.parametrize("kind", COMPRESSIONS)
def test_a_damaged_file_is_told_with_its_compression(kind: str, tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(20_000)).encode()
    whole = COMPRESSIONS[kind](text)
    for damaged in (whole[:-9], whole[: len(whole) // 2], whole[:12]):
        with pytest.raises(UserError, match=f"not a whole {kind} file") as error:
            read(tmp_path / "text", damaged)
        assert error.value.place is not None
        assert error.value.place.path == tmp_path / "text"


def test_an_archive_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("Hund\n")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(tmp_path / "train.de", "train.de")
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as zipped:
        zipped.write(tmp_path / "train.de")
    for content in (buffer.getvalue(), gzip.compress(buffer.getvalue())):
        with pytest.raises(UserError, match=r"archive of files \(tar\)\. Unpack it"):
            read(tmp_path / "train.tar.gz", content)
    with pytest.raises(UserError, match=r"archive of files \(zip\)\. Unpack it"):
        list(read_lines(tmp_path / "train.zip", None))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Der Hund schläft.\n".encode("utf-16-le"), "seems to be UTF-16 without a byte order mark"),
        ("Der Hund schläft.\n".encode("utf-16-be"), "seems to be UTF-16 without a byte order mark"),
        ("eins\nzwei\n".encode("utf-16")[:-3], "is not whole UTF-16 behind line 1"),
    ],
)
def test_wide_text_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path / "text", content)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = gzip.compress(b"one\ntwo\n")
    thread = threading.Thread(target=pipe.write_bytes, args=(content,))
    thread.start()
    assert list(read_lines(pipe, None)) == ["one", "two"]
    thread.join()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(b"word " * 100, mtime=0)[:-9], "not a whole gzip file"),
        (gzip.compress(b"word", mtime=0)[:-8] + bytes(8), "not a whole gzip file"),
        (gzip.compress(b"ok\ngr\xfcn\n", mtime=0), r"Line 2 .* byte 3 of the line is 0xfc"),
    ],
)
def test_broken_files_are_told_with_their_place(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.gz"
    with pytest.raises(UserError, match=message) as error:
        read(path, content)
    assert error.value.place is not None
    assert (error.value.place.path, error.value.place.key) == (path, "corpus.train.source")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_the_line_of_a_wrong_byte_is_named(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Line \d+ of .* is not UTF-8") as error:
        read(tmp_path / "text", b"fine\n" * 41 + "schön".encode(encoding))
    assert error.value.place is not None
    assert error.value.place.line == 42


def test_a_missing_file_is_told_with_its_absolute_path_and_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.de").write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        next(read_lines(Path("trian.de"), "corpus.train.target"))
    assert f"{tmp_path}/trian.de" in str(error.value)
    assert "Did you mean train.de?" in str(error.value)
    with pytest.raises(UserError, match="There is no file"):
        next(read_lines(tmp_path / "train.de" / "below", None))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        next(read_lines(tmp_path, None))


@pytest.mark.parametrize(("sources", "targets"), [(3, 2), (2, 3), (1, 700)])
def test_different_lengths_are_told_with_both_counts(
    sources: int, targets: int, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("a\n" * sources)
    target.write_text("A\n" * targets)
    with pytest.raises(
        UserError, match=rf"source has {sources} lines and .*target has {targets}\."
    ):
        list(AlignedFiles(source, target))


def test_each_reading_starts_anew(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("a\nb\n")
    target.write_text("A\nB\n")
    reader = AlignedFiles(source, target, "corpus.train")
    assert list(reader) == list(reader) == [("a", "A"), ("b", "B")]
