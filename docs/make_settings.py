"""Prints docs/settings.md from the classes that read the files.

Names, defaults, bounds and docstrings come from the pydantic models, so that the page says what the
program does:

    python docs/make_settings.py > docs/settings.md
"""

import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from automl_tf.config.presets import PAPER_ROWS
from automl_tf.config.settings import GROUPS, Corpus, ScoringConfig, SplitFiles, TrialConfig
from automl_tf.config.space import Choices, Range
from automl_tf.config.study import (
    DIRECTIONS,
    Budget,
    Confirm,
    Pruner,
    Sampler,
    Scheduler,
    StudyConfig,
)

INTRODUCTION = """\
# Settings

All that can be written into a [study](searching.md), its space or an [export](training.md). A
setting's dotted path is its name everywhere: in YAML, behind `--set`, in Optuna, in MLflow and in
an export. `python docs/make_settings.py > docs/settings.md` makes this page from the classes that
read the files.
"""

DOMAINS = """\
## Space file

A domain for each setting that is searched, by its dotted path.
"""

WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    Any: "any value",
}
"""Python's types as a person writes them in YAML."""

BOUNDS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
    "pattern": "`{}`",
}
"""Pydantic's bounds by the attribute that holds the value."""


PRESETS = """\
## Presets

The rows of Table 3 of "Attention Is All You Need" by name. `preset: big` at the top of a study or
of a training configuration, or `--set preset=big`, sets the columns of the table (`model.*`,
`training.label_smoothing`, `training.max_steps`) and the schedule and optimizer of section 5.3. In
a study this is fixed where the space does not search it. What the file gives itself beats a preset
in the file; what `--set` gives beats everything, a preset included. The settings are recorded, not
the name. Batches (the paper's have 25,000 tokens a side) and vocabulary (37,000) stay as they are.

| preset | d_model | layers | d_ff | heads | d_k | d_v | dropout | label smoothing | steps |
|---|---|---|---|---|---|---|---|---|---|
"""


def _presets() -> Iterator[str]:
    rows = []
    for name, row in PAPER_ROWS.items():
        model = row.model
        cells = (
            f"`{name}`",
            model.d_model,
            model.encoder_layers,
            model.d_ff,
            model.num_heads,
            model.head_width,
            model.value_width,
            model.dropout,
            row.label_smoothing,
            row.max_steps,
        )
        rows.append(f"| {' | '.join(map(str, cells))} |")
    yield PRESETS + "\n".join(rows) + "\n"


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_groups(), *_presets(), *_study(), *_corpora(), *_domains()])


def _groups() -> Iterator[str]:
    for group in GROUPS:
        settings = TrialConfig.model_fields[group].annotation
        assert isinstance(settings, type)
        yield _section(f"## {group.capitalize()}", settings, f"{group}.")
    yield _section("## Scoring", ScoringConfig, "scoring.")


def _study() -> Iterator[str]:
    yield _section("## Study file", StudyConfig)
    ways = "; ".join(f"`{name}` ({direction})" for name, direction in DIRECTIONS.items())
    yield f"Objectives and which way each is better: {ways}.\n"
    yield _section("## Budget", Budget, "budget.")
    yield _section("## Confirmation", Confirm, "confirm.")
    yield from _kinds("Sampler", Sampler)
    yield from _kinds("Pruner", Pruner)
    yield from _kinds("Scheduler", Scheduler)


def _corpora() -> Iterator[str]:
    yield from _kinds("Corpus", Corpus)
    yield _section("### Split of a files corpus", SplitFiles)


def _domains() -> Iterator[str]:
    yield DOMAINS
    yield _section("### Choices", Choices)
    yield _section("### Range", Range)


def _kinds(title: str, union: Any) -> Iterator[str]:  # noqa: ANN401 - a union of classes
    """A section for each class that a key may hold, told apart by ``kind``."""
    yield f"## {title}\n"
    key = title.lower()
    members, *_ = get_args(union)
    for settings in get_args(members):
        (kind,) = get_args(settings.model_fields["kind"].annotation)
        yield _section(f"### `{key}.kind: {kind}`", settings, f"{key}.")


def _section(heading: str, settings: type[BaseModel], prefix: str = "") -> str:
    """A heading, what the class says of itself, and a table of its settings if it has any."""
    lines = [heading, "", _prose(settings.__doc__), ""]
    fields = [(name, field) for name, field in settings.model_fields.items() if name != "kind"]
    if fields:
        lines += ["| setting | default | takes | |", "|---|---|---|---|"]
        lines += [_row(f"{prefix}{name}", field) for name, field in fields]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, field: FieldInfo) -> str:
    takes = _takes(field.annotation, field.metadata)
    cells = [f"`{name}`", _default(field), takes, _prose(field.description)]
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if default is None or default in ({}, ()):
        return "none"
    if isinstance(default, BaseModel):
        default = getattr(default, "kind", None)
        return "see below" if default is None else f"`{{kind: {default}}}`"
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _takes(annotation: Any, bounds: Iterable[Any] = ()) -> str:  # noqa: ANN401 - any annotation
    """What a field accepts, in words."""
    inner, origin = get_args(annotation), get_origin(annotation)
    if origin is Annotated:
        return _takes(inner[0], [*_flat(inner[1:]), *bounds])
    if origin is Literal:
        return _either([f"`{value}`" for value in inner])
    if origin is tuple:
        return f"list of {_takes(inner[0])}"
    if origin is dict:
        return f"mapping of {_takes(inner[0])} to {_takes(inner[1])}"
    if annotation in WORDS:
        return ", ".join([WORDS[annotation], *_limits(bounds)])
    if isinstance(annotation, type):
        return "settings of its own"
    # Whoever takes a real number takes a whole one.
    left_out = {NoneType, *([int] if float in inner else [])}
    members = [member for member in inner if member not in left_out]
    words = dict.fromkeys(_takes(member, bounds) for member in members)
    return _either(list(words))


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """Bounds, those inside a ``Field`` as well, which pydantic leaves alone in a union."""
    for part in metadata:
        yield from part.metadata if isinstance(part, FieldInfo) else [part]


def _limits(bounds: Iterable[Any]) -> Iterator[str]:
    for bound in bounds:
        for name, words in BOUNDS.items():
            if hasattr(bound, name):
                yield words.format(getattr(bound, name))


def _either(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def _prose(text: str | None) -> str:
    assert text, "every setting is documented"
    return " ".join(inspect.cleandoc(text).replace("``", "`").split())


if __name__ == "__main__":
    sys.stdout.write(page())
