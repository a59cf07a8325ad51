"""Reading a search space: each domain must hold values that its setting takes."""

from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from automl_tf.config.checking import does_not_fit, nearest, unknown_key, validated
from automl_tf.config.reading import Document, read_yaml
from automl_tf.config.settings import setting_types
from automl_tf.config.space import Choices, Domain, Range, Space
from automl_tf.errors import Place, UserError


def read_space(path: Path) -> tuple[Space, Document]:
    """Reads a space, and where each of its keys stands.

    Raises:
        UserError: For any mistake in the file.
    """
    document = read_yaml(path)
    if not document.data:
        raise UserError(
            "The space is empty.", "Give at least one setting a domain.", document.place(())
        )
    known = setting_types()
    for name in document.data:
        if name not in known:
            raise unknown_key(name, known, document.place((name,)))
    return Space({name: _domain(name, document) for name in document.data}), document


def check_setting(name: str, value: Any, place: Place) -> None:  # noqa: ANN401 - any YAML value
    """Refuses a value that a setting does not take.

    Args:
        name: Dotted path of the setting.
        value: The value.
        place: Where it stands.

    Raises:
        UserError: With what the setting takes.
    """
    field = setting_types()[name]
    annotation: Any = field.annotation
    for bound in field.metadata:
        annotation = Annotated[annotation, bound]
    settings = ConfigDict(strict=True, allow_inf_nan=False)
    try:
        TypeAdapter(annotation, config=settings).validate_python(value)
    except ValidationError as error:
        raise does_not_fit(name, error.errors()[0], place) from None


def _domain(name: str, document: Document) -> Domain:
    place = document.place((name,))
    body = document.data[name]
    if not isinstance(body, dict) or not body:
        raise UserError(
            f"{name} has no domain.", "Write {choices: [...]} or {low: ..., high: ...}.", place
        )
    numbers = _numbers(setting_types()[name].annotation)
    if nearest("choices", body):
        return _choices(name, document.part(name), numbers)
    return _range(name, document.part(name), numbers)


def _choices(name: str, part: Document, numbers: set[type]) -> Choices:
    domain = validated(Choices, part)
    for index, choice in enumerate(domain.choices):
        check_setting(name, choice, part.place(("choices", index)))
    if float not in numbers:
        return domain
    # 0 and 0.0 are one value of a real setting, and Optuna is to see it as such.
    return validated(Choices, part.with_data({"choices": [float(c) for c in domain.choices]}))


def _range(name: str, part: Document, numbers: set[type]) -> Range:
    domain = validated(Range, part)
    place = part.place(())
    if not numbers:
        raise UserError(f"{name} is not a number and has no range.", "List its choices.", place)
    if float in numbers:
        domain = _real(domain)
    elif not domain.is_whole:
        raise UserError(
            f"{name} is a whole number, but its range is not.", "Use whole bounds and step.", place
        )
    for key, value in zip(("low", "high"), domain.ends(), strict=True):
        check_setting(name, value, part.place((key,)))
    if domain.count is not None:
        # Where the second value is a multiple of what the setting wants as the first is, all are.
        check_setting(name, domain.nearest(domain.low + (domain.step or 1)), place)
    return domain


def _real(domain: Range) -> Range:
    """The range of a real setting: whole bounds do not make its values whole."""
    step = None if domain.step is None else float(domain.step)
    return Range(low=float(domain.low), high=float(domain.high), step=step, log=domain.log)


def _numbers(annotation: Any) -> set[type]:  # noqa: ANN401
    """The number types that an annotation admits, through ``Annotated`` and unions."""
    if annotation in (int, float):
        return {annotation}
    return {number for member in get_args(annotation) for number in _numbers(member)}
