from pathlib import Path

import pytest

from automl_tf.data.cache import digest, ensure_entry, is_whole


def build(folder: Path) -> None:
    (folder / "a").write_text("first")
    (folder / "b").write_text("second")


def contents(folder: Path) -> list[str]:
    return [(folder / name).read_text() for name in ("a", "b")]


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    built: list[Path] = []
    for _ in range(3):
        ensure_entry(
            tmp_path / "kind" / "entry", lambda folder: (built.append(folder), build(folder))
        )
    assert len(built) == 1
    assert contents(tmp_path / "kind" / "entry") == ["first", "second"]
    assert not list(tmp_path.rglob("*unfinished"))


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "manifest", "more"])
def test_a_damaged_entry_is_built_again(damage: str, tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    ensure_entry(entry, build)
    match damage:
        case "cut":
            (entry / "a").write_text("fir")
        case "changed":
            (entry / "a").write_text("worst")
        case "missing":
            (entry / "b").unlink()
        case "manifest":
            (entry / "manifest.json").write_text("{")
        case "more":
            (entry / "c").write_text("third")
    # What a later process finds: this one has looked at the entry already.
    moved = entry.rename(tmp_path / "moved")
    assert not is_whole(moved)
    ensure_entry(moved, build)
    assert is_whole(moved)
    assert contents(moved) == ["first", "second"]


def test_a_failed_build_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_entry(tmp_path / "entry", fail)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["entry.lock"])
    (tmp_path / "entry.unfinished").mkdir()
    (tmp_path / "entry.unfinished" / "c").write_text("from a killed process")
    ensure_entry(tmp_path / "entry", build)
    assert sorted(path.name for path in (tmp_path / "entry").iterdir()) == [
        "a",
        "b",
        "manifest.json",
    ]


def test_digests_depend_on_content_alone() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
