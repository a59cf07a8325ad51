"""Files that a command writes: checked before its work, so that none is done in vain."""

import os
from pathlib import Path

from automl_tf.errors import Place, UserError


def check_output(file: Path) -> None:
    """Creates the folder of a file that will be written, and checks that it can be.

    Raises:
        UserError: If the file is a folder, or cannot be written.
    """
    try:
        is_folder = file.is_dir()
        file.parent.mkdir(parents=True, exist_ok=True)
        place = file if file.exists() else file.parent
    except OSError as error:
        raise _unwritable(file, error.strerror or str(error)) from None
    if is_folder:
        raise _unwritable(file, "it is a folder", "Name a file in it, as in -o FOLDER/FILE.")
    if not os.access(place, os.W_OK):
        raise _unwritable(file, "you may not write there")


def write_output(file: Path, text: str) -> None:
    """Writes a text file.

    Raises:
        UserError: If it cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(file, error.strerror or str(error)) from error


def _unwritable(file: Path, why: str, remedy: str = "Name another file with -o.") -> UserError:
    return UserError(f"{file} cannot be written: {why}.", remedy, Place(key="--output"))
