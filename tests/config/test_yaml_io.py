from pathlib import Path

import pytest

from automl_tf.config.yaml_io import parse_value, read_yaml
from automl_tf.errors import UserError


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("30_000_000", 30_000_000),
        ("010", 10),
        ("true", True),
        ("null", None),
        ("", None),
        ("~", None),
        ("'5'", "5"),
        ("2020-01-02", "2020-01-02"),
        ("2020-1-2", "2020-1-2"),
        ("2020-99-99", "2020-99-99"),
        ("2020-01-02 03:04:05.5Z", "2020-01-02 03:04:05.5Z"),
        ("!!str true", "true"),
        ("!!str 3", "3"),
        ("=", "="),
        ("12:30", "12:30"),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
    ],
)
def test_values_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    read = read_yaml(written(tmp_path, f"key: {text}\n")).data["key"]
    assert read == value
    assert type(read) is type(value)
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["[", "a: b: c", "{", "'x", "!thing 3"])
def test_a_word_that_is_no_yaml_is_taken_as_it_is(text: str) -> None:
    assert parse_value(text) == text


def test_every_key_and_item_knows_its_line(tmp_path: Path) -> None:
    text = "# a comment\na: 1\nb:\n  c: {d: 2,\n    e: 3}\n  f:\n    - 4\n    - g: 5\n"
    document = read_yaml(written(tmp_path, text))
    for location, line in [
        (("a",), 2),
        (("b",), 3),
        (("b", "c"), 4),
        (("b", "c", "d"), 4),
        (("b", "c", "e"), 5),
        (("b", "f", 0), 7),
        (("b", "f", 1, "g"), 8),
    ]:
        place = document.place(location)
        assert place.line == line
        assert place.key == ".".join(str(part) for part in location)
    assert document.place(("b", "c", "absent")).line == 4
    assert document.place(("absent",)).line is None


def test_aliases_and_merges_are_read(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  b: 3\n"
    document = read_yaml(written(tmp_path, text))
    assert document.data["other"] == {"a": 1, "b": 3}
    assert document.place(("other", "b")).line == 4
    assert document.place(("other", "a")).line == 2


SCALARS = [
    ("true", True),
    ("false", False),
    ("3", 3),
    ("0x10", 16),
    ("1e-3", 1e-3),
    (".5", 0.5),
    ("null", None),
    ("~", None),
    ("", None),
    ("text", "text"),
    ("'true'", "true"),
    ("2020-01-02", "2020-01-02"),
]
FORMS = {
    "anchor": ("key: &x {}\n", lambda data: data["key"]),
    "alias": ("other: &x {}\nkey: *x\n", lambda data: data["key"]),
    "list": ("key:\n- &x {}\n- *x\n", lambda data: data["key"][1]),
    "merge": ("base: &b\n  a: &x {}\nkey:\n  <<: *b\n", lambda data: data["key"]["a"]),
    "merged list": ("one: &b\n  a: &x {}\nkey:\n  <<: [*b]\n", lambda data: data["key"]["a"]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_an_anchor_changes_no_value(tmp_path: Path, form: str, text: str, value: object) -> None:
    document, chosen = FORMS[form]
    read = chosen(read_yaml(written(tmp_path, document.format(text))).data)
    assert read == value
    assert type(read) is type(value)
    assert type(parse_value(f"&x {text}")) is type(value)


@pytest.mark.parametrize(
    ("text", "key"),
    [("true", "true"), ("False", "false"), ("null", "null"), ("1", "1"), ("&x true", "true")],
)
def test_keys_are_text(tmp_path: Path, text: str, key: str) -> None:
    document = read_yaml(written(tmp_path, f"a: 0\n{text}: 1\n"))
    assert document.data[key] == 1
    assert document.place((key,)).line == 2


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    document = read_yaml(written(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: Stra\xc3\x9fe\r\n"))
    assert document.data == {"a": 1, "b": "Straße"}
    assert document.place(("b",)).line == 2


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    text = f"key: !!python/object/apply:pathlib.Path.touch [{touched}]\n"
    with pytest.raises(UserError, match="python/object"):
        read_yaml(written(tmp_path, text))
    assert not touched.exists()


@pytest.mark.parametrize(
    ("content", "words", "line"),
    [
        ("", "nothing", None),
        ("# only a comment\n", "nothing", None),
        ("- a\n- b\n", "a list", None),
        ("just words\n", "just words", None),
        ("a: 1\nb:\n\tc: 2\n", "not YAML", 3),
        ("a: 1\nb: [1,\n", "not YAML", 3),
        ("a: 1\nb: 2\na: 3\n", "duplicate key", 3),
        ("a: 1\n---\nb: 2\n", "another document", 2),
        ("a: *missing\n", "alias", 1),
        ("a: 1\nb: &b [1, *b]\n", "an alias stands inside", 2),
        ("a: 1\nb: &b {c: *b}\n", "an alias stands inside", 2),
        ("b: &b\n  c:\n  - {d: *b}\n", "an alias stands inside", 1),
        ("&b a: &c\n- &d [*c]\n", "an alias stands inside", 1),
        (b"a: 1\nb: caf\xe9\n", "not UTF-8", 2),
        ("a: 1\n".encode("utf-16"), "not UTF-8", 1),
        (b"a: \x00\n", "not YAML", None),
        ("a: " + "9" * 5000 + "\n", "not YAML", None),
        ("a: 1\nb: !Thing {c: 2}\n", "!Thing", 2),
        ("a:\n  - !thing 3\n", "!thing", 2),
        ("a: !!binary aGk=\n", "!!binary", 1),
        ("a: 1\nb: !!set {c, d}\n", "!!set", 2),
        ("a: !!python/name:os.system\n", "!!python", 1),
        ("a: !!python/object/new:set [[1]]\n", "!!python", 1),
    ],
)
def test_what_is_no_mapping_in_utf_8_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, words: str, line: int | None
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.place.path == path
    assert caught.value.place.line == line


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(UserError) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)


def test_an_override_wins_and_is_named_as_the_place(tmp_path: Path) -> None:
    document = read_yaml(written(tmp_path, "a: {b: 1, c: 2}\n"))
    changed = document.with_override(("a", "b"), "a.b=3").with_override(("d", "e"), "d.e=x")
    assert changed.data == {"a": {"b": 3, "c": 2}, "d": {"e": "x"}}
    assert document.data == {"a": {"b": 1, "c": 2}}
    assert changed.place(("a", "b")).key == "--set a.b=3"
    assert changed.place(("a", "c")).line == 1
    with pytest.raises(UserError, match=r"a\.c is not a group"):
        document.with_override(("a", "c", "d"), "a.c.d=1")


def test_the_place_of_several_values_is_the_last_that_is_written(tmp_path: Path) -> None:
    document = read_yaml(written(tmp_path, "a: 1\nb: 2\nc: 3\n"))
    assert document.place_of_any([("b",), ("a",), ("z",)]).line == 2
    overridden = document.with_override(("a",), "a=5")
    assert overridden.place_of_any([("a",), ("b",)]).key == "--set a=5"
    assert document.place_of_any([("y",), ("z",)]).key == "z"
