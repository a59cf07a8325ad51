import gzip
from pathlib import Path

import pytest

from automl_tf.data.readers.text_files import AlignedFiles, read_lines
from automl_tf.errors import Place, UserError


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
    ],
)
def test_only_line_feeds_end_lines(content: str, lines: list[str], tmp_path: Path) -> None:
    assert read(tmp_path / "plain", content.encode()) == lines
    assert read(tmp_path / "packed.gz", gzip.compress(content.encode())) == lines
    assert read(tmp_path / "unmarked", gzip.compress(content.encode())) == lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(b"word " * 100, mtime=0)[:-9], "not a whole gzip file"),
        (gzip.compress(b"word", mtime=0)[:-8] + bytes(8), "not a whole gzip file"),
        (b"not packed", "not a whole gzip file"),
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


def test_each_reading_starts_anew_and_tells_lines(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("a\nb\n")
    target.write_text("A\nB\n")
    reader = AlignedFiles(source, target, "corpus.train")
    assert list(reader) == list(reader) == [("a", "A"), ("b", "B")]
    assert reader.place(2) == Place(source, 2, "corpus.train")
