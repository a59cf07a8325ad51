"""The program's entrance: commands are found here, errors end here.

Exit codes: 0 for success, 2 for a mistake that the user can mend, 130 after Ctrl-C.
"""

import os
import sys
from typing import NoReturn

import typer
from rich.console import Console

from automl_tf.cli import browsing, exporting, searching, using
from automl_tf.errors import UserError, disk_is_full, full_disk

SUCCESS, MISTAKE, INTERRUPTED = 0, 2, 130

app = typer.Typer(
    name="automl-tf",
    help="Finds the best Transformer for your translation data, trains it and translates with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for module in (searching, browsing, exporting, using):
    module.register(app)


def main() -> None:
    """Runs the command line and exits."""
    try:
        app()
    except UserError as error:
        _refuse(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has left, as `head` does: there is nobody to complain to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(SUCCESS)
    except Exception as error:
        if not disk_is_full(error):
            raise
        _refuse(full_disk(error))


def _refuse(error: UserError) -> NoReturn:
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        f"error: {error}", markup=False, style="red"
    )
    sys.exit(MISTAKE)
