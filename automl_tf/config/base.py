"""Base class of all settings, and types that several groups of settings share."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed that torch, NumPy and Optuna all take."""

CONFIRMATION_SUFFIX = ".confirm"
"""What is added to the name of a study for the study of its confirmations."""
STUDY_NAME_RULE = (
    "a study's name has 1 to 100 of the characters A-Z, a-z, 0-9, '.', '_' and '-', "
    f"begins with a letter or a digit, and does not end in {CONFIRMATION_SUFFIX}"
)
_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _is_study_name(name: str) -> bool:
    return bool(_STUDY_NAME.fullmatch(name)) and not name.endswith(CONFIRMATION_SUFFIX)


def is_stored_name(name: str) -> bool:
    """Returns True for the name of a user's study or of its confirmations.

    Such a name is safe as one part of a path and of a URL.
    """
    return _is_study_name(name.removesuffix(CONFIRMATION_SUFFIX))


def _checked(is_legal: Callable[[str], bool]) -> AfterValidator:
    def check(name: str) -> str:
        if not is_legal(name):
            raise PydanticCustomError("study_name", STUDY_NAME_RULE)
        return name

    return AfterValidator(check)


StudyName = Annotated[str, _checked(_is_study_name)]
"""Name of a user's study in Optuna, of its directory and of its experiment in MLflow."""
StoredName = Annotated[str, _checked(is_stored_name)]
"""Name of a study in Optuna: a user's, or that of its confirmations."""


def _resolved(path: Path, info: ValidationInfo) -> Path:
    """Returns a path that starts at the folder of the file that is validated, the context.

    The last part may be a link, and stays: its name tells the format of a file, and a pipe such as
    /dev/fd/63 has no other name.
    """
    if info.context is None:
        return path
    full: Path = info.context / _expanded(path)
    return Path(os.path.realpath(full.parent), full.name)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # nobody has that name, or this user no home
        return path


def _resolved_folder(name: str, info: ValidationInfo) -> str:
    folder = _resolved(Path(name), info)
    return os.path.realpath(folder) if folder.is_dir() else name


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_resolved)]
"""A path, given as text; a relative one in a file starts at the file's folder."""
NameOrFolder = Annotated[str, AfterValidator(_resolved_folder)]
"""A name that stands for a folder if there is one."""


def is_pipe(path: Path) -> bool:
    """Returns True for what can be read only once, or in this process alone.

    That is a pipe, or an open file by its number, as shells make of ``<(command)``.
    """
    absolute = path.absolute()
    is_descriptor = os.path.realpath(absolute.parent).startswith("/proc/")
    if is_descriptor or absolute == Path("/dev/stdin"):
        return True
    try:
        return path.exists() and not (path.is_file() or path.is_dir())
    except OSError:  # a name that no file can have
        return False


class Settings(BaseModel):
    """A frozen group of settings.

    It accepts no unknown key, no silent conversion of types, and no number that is infinite or
    not a number.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class MisfitError(ValueError):
    """Values that are legal one by one, but not together, with the remedy.

    The keys are their dotted paths, the one to look at first at the end.
    """

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys
