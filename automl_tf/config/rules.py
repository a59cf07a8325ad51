"""Rules that settings must satisfy, and error messages for documents that break them.

A rule names the few settings that it reads. The same rules check one configuration and prove a
whole space: every combination of those settings' values is tried before any trial is. (For a rule
that compares sizes, the ends of ranges are enough.)
"""

import difflib
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automl_tf.config.base import MisfitError
from automl_tf.config.yaml_io import Document, Location
from automl_tf.errors import Place, UserError


@dataclass(frozen=True)
class Rule:
    """A condition on some settings.

    Attributes:
        reads: Dotted paths of the settings, in the order of the arguments below.
        holds: Whether the values are legal.
        text: What does not hold, with a ``{}`` for each value.
        remedy: What to do.
        is_comparison: Whether it holds between the ends of ranges if it holds at their ends.
    """

    reads: tuple[str, ...]
    holds: Callable[..., bool]
    text: str
    remedy: str
    is_comparison: bool = False

    def violation(self, settings: Mapping[str, Any]) -> "Violation | None":
        """Returns the violation of this rule by the settings, if there is one."""
        values = tuple(settings[name] for name in self.reads)
        return None if self.holds(*values) else Violation(self, values)


@dataclass(frozen=True)
class Violation:
    """A rule and the values that break it."""

    rule: Rule
    values: tuple[Any, ...]

    @property
    def what(self) -> str:
        """The rule with its values."""
        return self.rule.text.format(*self.values)

    def __str__(self) -> str:
        return f"{self.what} {self.rule.remedy}"


def _engine_has_heads(
    engine: str, d_model: int, num_heads: int, d_k: int | None, d_v: int | None
) -> bool:
    width = d_model / num_heads
    return engine != "ctranslate2" or (d_k or width) == (d_v or width) == width


RULES = (
    Rule(
        ("model.d_model", "model.num_heads", "model.d_k", "model.d_v"),
        lambda d_model, heads, d_k, d_v: bool(d_k and d_v) or d_model % heads == 0,
        "model.num_heads = {1} does not divide model.d_model = {0}.",
        "Use a divisor, drop one of the two from the choices, or set model.d_k and model.d_v.",
    ),
    Rule(
        ("model.positions", "model.d_model", "model.num_heads", "model.d_k"),
        lambda kind, d_model, heads, d_k: kind != "rotary" or (d_k or d_model // heads) % 2 == 0,
        "model.positions = {0} turns pairs of units, but model.d_model = {1} over "
        "model.num_heads = {2} (model.d_k = {3}) leaves an odd width for a head.",
        "Choose widths and heads whose quotient is even, or other positions.",
    ),
    Rule(
        ("decoding.engine", "model.d_model", "model.num_heads", "model.d_k", "model.d_v"),
        _engine_has_heads,
        "decoding.engine = {0} has no heads of a width other than model.d_model / model.num_heads "
        "= {1} / {2}, but model.d_k = {3} and model.d_v = {4}.",
        "Use decoding.engine: torch, or leave model.d_k and model.d_v out.",
    ),
    Rule(
        ("training.warmup_steps", "training.max_steps"),
        lambda warmup_steps, max_steps: warmup_steps < max_steps,
        "training.warmup_steps = {0} is not below training.max_steps = {1}.",
        "Shorten the warm-up or train longer.",
        is_comparison=True,
    ),
    Rule(
        ("training.validate_every", "training.max_steps"),
        lambda validate_every, max_steps: validate_every <= max_steps,
        "training.validate_every = {0} is above training.max_steps = {1}.",
        "Validate more often or train longer.",
        is_comparison=True,
    ),
    Rule(
        ("training.batch_tokens", "data.max_length"),
        lambda batch_tokens, max_length: batch_tokens > max_length,
        "training.batch_tokens = {0} does not hold one sentence of data.max_length = {1} subwords "
        "and its end.",
        "Raise training.batch_tokens or lower data.max_length.",
        is_comparison=True,
    ),
)


def first_violation(settings: Mapping[str, Any]) -> Violation | None:
    """Returns the first violation of a rule by the settings, if there is one."""
    violations = (rule.violation(settings) for rule in RULES)
    return next((violation for violation in violations if violation is not None), None)


Model = TypeVar("Model", bound=BaseModel)

TOKENIZE = "scoring.tokenize"
"""A setting of a whole study, which some look for among those of trials."""
MIN_SIMILARITY = 0.55
"""Share of common letters from which one name may be a misspelling of another."""
OTHER_GROUP = 0.25
"""How much more alike a name of another group has to be."""

_GROUP = "it is not a group of `key: value` lines"
_WORDS = {
    "bool_type": "it is neither true nor false",
    "int_type": "it is not a whole number",
    "int_from_float": "it is not a whole number",
    "float_type": "it is not a number",
    "string_type": "it is not text; quotes make it so",
    "tuple_type": "it is not a list",
    "too_short": "the list is empty",
    "dict_type": _GROUP,
    "model_type": _GROUP,
    "model_attributes_type": _GROUP,
}
"""Plain words for pydantic's kinds of errors, where its own are about Python."""


def validate_document(model: type[Model], document: Document) -> Model:
    """Validates a document and returns it as settings of a class.

    Raises:
        UserError: For the first key that is unknown, missing, mistyped or out of range.
    """
    try:
        return model.model_validate(document.data, context=document.folder)
    except ValidationError as error:
        raise _user_error(error, model, document) from None


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that is most similar to a misspelt one, if one is similar enough."""
    ranked = sorted((_similarity(name, full), full) for full in known)
    return ranked[-1][1] if ranked and ranked[-1][0] >= MIN_SIMILARITY else None


def _similarity(name: str, known: str) -> float:
    """Returns the similarity of the last parts, between 0 and 1, less if the groups differ."""
    group, _, last = name.rpartition(".")
    known_group, _, known_last = known.rpartition(".")
    similarity = difflib.SequenceMatcher(None, last, known_last).ratio()
    return similarity if group == known_group else similarity - OTHER_GROUP


def unknown_key(name: str, known: Iterable[str], place: Place) -> UserError:
    """Returns the error for an unknown key, with the known key that it is most like."""
    # Nobody who wrote `budget.x` meant `budget`.
    names = sorted({full for full in known if not name.startswith(f"{full}.")})
    inside = [full for full in names if full.startswith(f"{name}.")]
    match = closest_name(name, names)
    if name == TOKENIZE:
        remedy = (
            "BLEU of two tokenizers does not compare: write it at the top of the file, as in "
            "scoring: {tokenize: char}."
        )
    elif inside:
        remedy = f"Write the whole path, as in {inside[0]}."
    elif match:
        remedy = f"Did you mean {match}?"
    else:
        group = name.rpartition(".")[0]
        siblings = [full for full in names if full.rpartition(".")[0] == group]
        groups = sorted({full.partition(".")[0] for full in names})
        remedy = f"Known here: {', '.join(siblings or groups)}."
    return UserError(f"There is no setting {name}.", remedy, place)


def invalid_value(name: str, details: ErrorDetails, place: Place) -> UserError:
    """Returns the error for a value of a wrong type or out of its range, in plain words."""
    if details["input"] is None:
        return UserError(f"{name} is empty.", "Give it a value, or leave it out.", place)
    words = _WORDS.get(details["type"]) or details["msg"].replace("Input should", "it should")
    words = words[:1].lower() + words[1:]
    return UserError(f"{name} = {details['input']!r} does not fit: {words}.", place=place)


def _user_error(error: ValidationError, model: type[BaseModel], document: Document) -> UserError:
    every = error.errors()
    # A misspelt key is also a missing one: name the spelling, which is what the person sees.
    first = min(every, key=lambda details: details["type"] != "extra_forbidden")
    location = _spoken(first, document.data)
    place, dotted = document.place(location), document.dotted(location)
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = _known_paths(model, document.data)
            return unknown_key(dotted, [document.dotted((path,)) for path in known], place)
        case "missing":
            return UserError(f"The key {dotted} is missing.", "Add it.", place)
        case "union_tag_not_found":
            return UserError(f"The key {dotted}.kind is missing.", "Add it.", place)
        case "union_tag_invalid":
            given, kinds = context["tag"], context["expected_tags"].replace("'", "")
            return UserError(f"{dotted}.kind = {given} is unknown.", f"Use one of {kinds}.", place)
        case "value_error" if isinstance(cause := context["error"], MisfitError):
            values = [(*location, *key.split(".")) for key in cause.keys]
            return UserError(str(cause), place=document.place_of_any(values))
        case "value_error":
            return UserError(f"{dotted}: {context['error']}", place=place)
    alternatives = {
        str(details["loc"][-1])
        for details in every
        if details["loc"] != first["loc"] and _spoken(details, document.data) == location
    }
    if alternatives and first["input"] is not None:
        words = "a single value" if "str" in alternatives else "a number"
        given = f"{dotted} = {first['input']!r}"
        return UserError(f"{given} does not fit: it is not {words}.", place=place)
    return invalid_value(dotted, first, place)


def _spoken(details: ErrorDetails, data: Any) -> Location:  # noqa: ANN401
    """Returns the location without the tags of unions, which stand in no file."""
    spoken: list[str | int] = []
    for index, part in enumerate(details["loc"]):
        is_key = isinstance(data, Mapping) and part in data
        is_item = isinstance(data, list) and isinstance(part, int) and part < len(data)
        is_absent = details["type"] == "missing" and index == len(details["loc"]) - 1
        if is_key or is_item:
            data = data[part]
        if is_key or is_item or is_absent:
            spoken.append(part)
    return tuple(spoken)


def _known_paths(annotation: Any, data: Any, prefix: str = "") -> list[str]:  # noqa: ANN401
    """Returns the dotted path of every key of a class; of a union, those of the given kind."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        given = data.get("kind") if isinstance(data, Mapping) else None
        if kind is not None and given not in (None, *typing.get_args(kind.annotation)):
            return []
        paths = []
        for name, info in annotation.model_fields.items():
            inner = data.get(name) if isinstance(data, Mapping) else None
            paths += [prefix + name, *_known_paths(info.annotation, inner, f"{prefix}{name}.")]
        return paths
    members = typing.get_args(annotation)
    return [path for member in members for path in _known_paths(member, data, prefix)]
