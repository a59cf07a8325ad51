"""The project's own kinds of files: studies, spaces and exports."""

import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from automl_tf.config.corpus import FilesCorpus, HubCorpus, SplitFiles
from automl_tf.config.reading import (
    Document,
    nearest,
    parse_value,
    read_yaml,
    unknown_key,
    validated,
)
from automl_tf.config.settings import GROUPS, TrialConfig, setting_types
from automl_tf.config.space import Choices, Domain, Range, Scalar, Space
from automl_tf.config.study import Study, StudyConfig, default_settings
from automl_tf.errors import Place, UserError


class Export(TrialConfig):
    """A training configuration with where it came from."""

    provenance: dict[str, Any] = Field(default={})
    """Study, trial, scores, versions: for people and for checks, not for the training."""

    def trial_config(self) -> TrialConfig:
        """The configuration alone."""
        return TrialConfig.model_construct(
            **{name: getattr(self, name) for name in TrialConfig.model_fields}
        )


def read_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Reads a study and its space and proves that every proposal will be legal.

    Args:
        path: The study file.
        overrides: ``KEY=VALUE`` words; a key of a setting's group is meant for ``fixed``.

    Raises:
        UserError: For any mistake in one of the two files.
    """
    document = read_yaml(path).with_overrides(
        {
            ("fixed", key) if key.split(".")[0] in GROUPS else tuple(key.split(".")): value
            for key, value in _parsed(overrides).items()
        }
    )
    config = validated(StudyConfig, document)
    config = config.model_copy(
        update={
            "space": _absolute(config.space, path),
            "corpus": _absolute_corpus(config.corpus, path),
        }
    )
    space_document = read_yaml(config.space)
    space = _space(space_document)
    _check_fixed(config, space, document)
    _check_start_with(config, space, document)
    _prove(space, config, space_document, document)
    return Study(config, space)


def read_export(path: Path, overrides: Sequence[str] = ()) -> Export:
    """Reads an export.

    Args:
        path: The export file.
        overrides: ``KEY=VALUE`` words.

    Raises:
        UserError: For any mistake in the file.
    """
    document = read_yaml(path).with_overrides(
        {tuple(key.split(".")): value for key, value in _parsed(overrides).items()}
    )
    export = validated(Export, document)
    return export.model_copy(update={"corpus": _absolute_corpus(export.corpus, path)})


def _parsed(overrides: Sequence[str]) -> dict[str, Any]:
    values = {}
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UserError(f"--set {word} has no value.", "Write --set KEY=VALUE.")
        values[key] = parse_value(value)
    return values


def _absolute(path: Path, beside: Path) -> Path:
    return (beside.absolute().parent / path.expanduser()).resolve()


def _absolute_corpus(corpus: Any, beside: Path) -> Any:  # noqa: ANN401 - a member of the union
    if isinstance(corpus, FilesCorpus):
        splits = {
            name: _absolute_split(getattr(corpus, name), beside)
            for name in ("train", "validation", "test")
        }
        return corpus.model_copy(update=splits)
    if isinstance(corpus, HubCorpus) and _absolute(Path(corpus.name), beside).is_dir():
        return corpus.model_copy(update={"name": str(_absolute(Path(corpus.name), beside))})
    return corpus


def _absolute_split(split: SplitFiles | None, beside: Path) -> SplitFiles | None:
    if split is None:
        return None
    paths = {name: path for name, path in split if path is not None}
    return split.model_copy(update={name: _absolute(path, beside) for name, path in paths.items()})


def _space(document: Document) -> Space:
    types_by_name = setting_types()
    domains: dict[str, Domain] = {}
    for name, body in document.data.items():
        if name not in types_by_name:
            raise unknown_key(name, types_by_name, document.place((name,)))
        domains[name] = _domain(name, body, document)
    if not domains:
        raise UserError(
            "The space is empty.", "Give at least one setting a domain.", document.place(())
        )
    return Space(domains)


def _domain(name: str, body: Any, document: Document) -> Domain:  # noqa: ANN401
    place = document.place((name,))
    if not isinstance(body, dict):
        raise UserError(
            f"{name} has no domain.", "Write {choices: [...]} or {low: ..., high: ...}.", place
        )
    form: type[Choices | Range] = Choices if nearest("choices", body) else Range
    domain = validated(form, Document(document.path, body, {(): place.line or 1}, prefix=name))
    values = domain.choices if isinstance(domain, Choices) else (domain.low, domain.high)
    for value in values:
        _check_value(name, value, place)
    numbers = _numbers(setting_types()[name].annotation)
    if isinstance(domain, Range) and not numbers:
        raise UserError(f"{name} is not a number and has no range.", "List its choices.", place)
    if isinstance(domain, Range) and float not in numbers and not domain.is_whole:
        raise UserError(
            f"{name} is a whole number, but its range is not.", "Use whole bounds and step.", place
        )
    return domain


def _check_value(name: str, value: Any, place: Place) -> None:  # noqa: ANN401
    """Refuses a value that the setting does not take.

    Raises:
        UserError: With the rule that the value breaks.
    """
    try:
        _adapter(setting_types()[name]).validate_python(value, strict=True)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise UserError(
            f"{name} = {value!r} does not fit: {message[0].lower()}{message[1:]}.", place=place
        ) from None


def _adapter(info: FieldInfo) -> TypeAdapter[Any]:
    annotation: Any = info.annotation
    for metadata in info.metadata:
        annotation = typing.Annotated[annotation, metadata]
    return TypeAdapter(annotation)


def _numbers(annotation: Any) -> set[type]:  # noqa: ANN401
    """The number types that an annotation admits, through ``Annotated`` and unions."""
    if annotation in (int, float):
        return {annotation}
    members = typing.get_args(annotation)
    return {number for member in members for number in _numbers(member)}


def _check_fixed(config: StudyConfig, space: Space, document: Document) -> None:
    known = setting_types()
    for name, value in config.fixed.items():
        place = document.place(("fixed", name))
        if name not in known:
            raise unknown_key(name, known, place)
        if name in space.domains:
            raise UserError(
                f"{name} is both fixed and searched.",
                f"Drop it from fixed, or from the space {config.space}.",
                place,
            )
        _check_value(name, value, place)


def _check_start_with(config: StudyConfig, space: Space, document: Document) -> None:
    for index, start in enumerate(config.start_with):
        for name, value in start.items():
            place = document.place(("start_with", index, name))
            if name not in space.domains:
                raise unknown_key(name, space.domains, place)
            if not space.contains(name, value):
                raise UserError(
                    f"{name} = {value!r} is outside its domain {space.domains[name]}.",
                    "Start with a value of the space, or widen the space.",
                    place,
                )


def _prove(
    space: Space, config: StudyConfig, space_document: Document, study_document: Document
) -> None:
    settings: Mapping[str, Scalar] = {**default_settings(), **config.fixed}
    violation = space.illegal_combination(settings)
    if violation is None:
        return
    searched = [name for name in violation.rule.reads if name in space.domains]
    place = (
        space_document.place((searched[-1],))
        if searched
        else study_document.place(("fixed", violation.rule.reads[-1]))
    )
    raise UserError(violation.what, violation.rule.remedy, place)
