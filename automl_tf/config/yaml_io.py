"""Reading and writing YAML: every mistake is reported with its file, line and dotted key.

Files are YAML 1.2: ``no`` is Norwegian, ``1e-4`` is a number. Nothing in a file is executed.
"""

import copy
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import ConstructorError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from automl_tf.config.base import is_pipe
from automl_tf.errors import Place, UserError

Location = tuple[str | int, ...]
"""Keys and list indices, from the top of a document down."""
MAX_WIDTH = 1000
"""Columns of a written line; longer text is folded."""

_TAG = "tag:yaml.org,2002:"
_TEXTS = ("!!str", "!!value", "!!timestamp")
"""Tags of text; YAML 1.1 gave the second to a lone ``=`` and the third to dates."""


@dataclass(frozen=True)
class Document:
    """A YAML file in plain values, with the line of each key.

    Attributes:
        path: The file.
        data: Its content.
        lines: The line, counted from one, of each location.
        prefix: Dotted key of the part of the file that this is, if it is a part.
        overrides: What the command line says instead of the file, by location.
    """

    path: Path
    data: dict[str, Any]
    lines: Mapping[Location, int] = field(repr=False)
    prefix: str = ""
    overrides: Mapping[Location, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that relative paths start at: the file's, or the current one for a pipe."""
        return Path.cwd() if is_pipe(self.path) else self.path.absolute().parent

    def dotted(self, location: Sequence[str | int]) -> str:
        """Returns the dotted key of a location."""
        return ".".join(str(part) for part in (self.prefix, *location) if part != "")

    def place(self, location: Sequence[str | int]) -> Place:
        """Returns the place of a location, or of its nearest ancestor in the file."""
        ancestors = [tuple(location[:length]) for length in range(len(location), -1, -1)]
        for ancestor in ancestors:
            if ancestor in self.overrides:
                return Place(key=f"--set {self.overrides[ancestor]}")
        line = next((self.lines[known] for known in ancestors if known in self.lines), None)
        return Place(self.path, line, self.dotted(location) or None)

    def place_of_any(self, locations: Sequence[Location]) -> Place:
        """Returns the place of the last of some values; values of the command line come first."""
        given = [location for location in locations if location in self.overrides]
        written = [location for location in locations if location in self.lines]
        written.sort(key=lambda location: self.lines[location])
        return self.place((given or written or locations)[-1])

    def get(self, location: Location) -> Any:  # noqa: ANN401 - any YAML value
        """Returns the value at a location, or None if there is none."""
        value: Any = self.data
        for part in location:
            value = value.get(part) if isinstance(value, dict) else None
        return value

    def without(self, location: Location) -> "Document":
        """Returns a document without the value at a location; what is known of its place stays."""
        data = copy.deepcopy(self.data)
        inner: Any = data
        for part in location[:-1]:
            inner = inner[part]
        del inner[location[-1]]
        return replace(self, data=data)

    def with_default(self, location: Location, value: Any, source: Location) -> "Document":  # noqa: ANN401
        """Returns a document with a value that stands for what was given at another location.

        A value that is given itself stays, unless the other one comes from the command line and it
        does not.
        """
        data: Any = copy.deepcopy(self.data)
        inner = data
        for part in location[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                return self
        overrides, lines = dict(self.overrides), dict(self.lines)
        is_overridden = any(location[: depth + 1] in overrides for depth in range(len(location)))
        if location[-1] in inner and (is_overridden or source not in overrides):
            return self
        inner[location[-1]] = value
        if source in overrides:
            overrides[location] = overrides[source]
        elif source in lines:
            lines[location] = lines[source]
        return replace(self, data=data, overrides=overrides, lines=lines)

    def part(self, key: str) -> "Document":
        """Returns the part of the file under a top-level key."""
        lines = {location[1:]: line for location, line in self.lines.items() if location[0] == key}
        return Document(self.path, self.data[key], lines, prefix=key)

    def with_override(self, location: Location, word: str) -> "Document":
        """Returns a document with one value replaced or added by a person's ``KEY=VALUE``.

        Raises:
            UserError: If the location lies inside a single value.
        """
        data: Any = copy.deepcopy(self.data)
        inner = data
        for depth, part in enumerate(location[:-1]):
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UserError(
                    f"--set {word}: {self.dotted(location[: depth + 1])} is not a group of "
                    "settings.",
                    "Give it a whole value in YAML, as in --set 'objectives=[bleu, latency]'.",
                )
        inner[location[-1]] = parse_value(word.partition("=")[2])
        overrides = {**self.overrides, location: word}
        return replace(self, data=data, overrides=overrides)


def read_yaml(path: Path, text: str | None = None) -> Document:
    """Reads a file whose top level is a mapping.

    Args:
        path: The file, which errors name.
        text: What it would hold, if it has not been written.

    Raises:
        UserError: If the file is missing, not UTF-8, not YAML, or not a mapping.
    """
    reader = _Reader(path)
    try:
        data = reader.read(_text(path) if text is None else text)
    except MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        problem = str(error.problem or error).split("\n")[0]
        raise UserError(f"This is not YAML: {problem}.", place=Place(path, line)) from None
    except (YAMLError, ValueError) as error:
        problem = str(error).split("\n")[0]
        raise UserError(f"This is not YAML: {problem}.", place=Place(path)) from None
    except RecursionError:
        raise UserError("The file holds itself by an alias.", place=Place(path)) from None
    if not isinstance(data, dict):
        raise UserError(
            f"The file holds {_kind(data)}, not settings by name.",
            "Write one `key: value` a line.",
            Place(path),
        )
    return Document(path, data, reader.lines)


def parse_value(text: str) -> Any:  # noqa: ANN401 - any YAML value
    """Returns the YAML value of a command line argument; the argument itself if it is not YAML."""
    try:
        return _Reader(Path()).read(text)
    except (YAMLError, UserError, ValueError, RecursionError):
        return text


class _Reader:
    """A reader of plain values that notes the line of each key and item.

    It walks the nodes itself: ruamel's own constructors make dates, sets and endless values.
    """

    def __init__(self, path: Path) -> None:
        self.lines: dict[Location, int] = {}
        self._path = path
        self._yaml = YAML(typ="safe", pure=True)
        self._ancestors: list[Node] = []

    def read(self, text: str) -> Any:  # noqa: ANN401 - any YAML value
        """Returns the value of a document; raises for what has no plain value."""
        root = self._yaml.compose(text)
        return None if root is None else self._value(root, ())

    def _value(self, node: Node, location: Location) -> Any:  # noqa: ANN401
        if node in self._ancestors:
            problem = "an alias stands inside the value that it names"
            raise ConstructorError(None, None, problem, node.start_mark)
        self._ancestors.append(node)
        value = self._plain(node, location)
        self._ancestors.pop()
        return value

    def _plain(self, node: Node, location: Location) -> Any:  # noqa: ANN401
        tag = (node.tag or "").replace(_TAG, "!!")
        match node:
            case MappingNode() if tag == "!!map":
                return dict(self._items(node, location))
            case SequenceNode() if tag == "!!seq":
                items = enumerate(node.value)
                return [self._child(item, item, (*location, index)) for index, item in items]
            case ScalarNode() if tag in _TEXTS:
                return node.value
            case ScalarNode() if tag in ("!!null", "!!bool", "!!int", "!!float"):
                return self._yaml.constructor.construct_object(node)
        place = Document(self._path, {}, self.lines).place(location)
        raise UserError(f"The tag {tag} means nothing here.", "Remove it.", place)

    def _items(self, node: MappingNode, location: Location) -> Iterator[tuple[str, Any]]:
        """Yields keys as YAML spells them, with their values; those of ``<<`` come first."""
        self._yaml.constructor.flatten_mapping(node)
        num_merged = len(node.merge or ())
        own = set()
        for index, (key_node, value) in enumerate(node.value):
            key = _spelled(self._value(key_node, location))
            if index < num_merged:
                # Such a key has no line here.
                yield key, self._value(value, (*location, key))
                continue
            if key in own:
                problem = f'found duplicate key "{key}"'
                raise ConstructorError(None, None, problem, key_node.start_mark)
            own.add(key)
            yield key, self._child(key_node, value, (*location, key))

    def _child(self, start: Node, value: Node, location: Location) -> Any:  # noqa: ANN401
        self.lines[location] = start.start_mark.line + 1
        return self._value(value, location)


def _spelled(key: Any) -> str:  # noqa: ANN401
    if key is None:
        return "null"
    return str(key).lower() if isinstance(key, bool) else str(key)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"There is no file {path.absolute()}.", "Check the path.", Place(path)
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path} cannot be read: {reason}.", place=Place(path)) from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"The file is not UTF-8: byte {raw[error.start]:#04x} begins no character.",
            "Save it as UTF-8.",
            Place(path, raw.count(b"\n", 0, error.start) + 1),
        ) from None


def _kind(value: Any) -> str:  # noqa: ANN401
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"the value {value!r}"


def dump_yaml(tree: CommentedMap) -> str:
    """Returns a tree of mappings, with its comments, as YAML text of long lines."""
    buffer = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.width = MAX_WIDTH
    yaml.dump(tree, buffer)
    return buffer.getvalue()
