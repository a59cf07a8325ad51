"""The entry point of the program: registers the commands and turns errors into exit codes."""

import contextlib
import os
import sys
from typing import NoReturn

import typer

from automl_tf.cli.models import evaluate, export, train, translate
from automl_tf.cli.steering import delete, enqueue, stop
from automl_tf.cli.studies import report, search, show, studies, sync, ui, worker
from automl_tf.cli.terminal import print_error
from automl_tf.errors import (
    DeadDeviceError,
    ExitCode,
    UserError,
    disk_is_full,
    full_disk,
    unusable_path,
)
from automl_tf.signals import raise_on_signals

app = typer.Typer(
    name="automl-tf",
    help="Finds the best Transformer for your translation data, trains it and translates with it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
COMMANDS = (
    *(search, worker, studies, show, report, ui, sync),
    *(enqueue, stop, delete),
    *(export, train, evaluate, translate),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Runs the command line and exits."""
    try:
        with raise_on_signals():
            app()
    except UserError as error:
        _refuse(error)
    except DeadDeviceError as error:
        _refuse(error, ExitCode.FAILURE)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            typer.echo("interrupted", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output has closed it, as `head` does: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.SUCCESS)
    except Exception as error:
        if disk_is_full(error):
            _refuse(full_disk(error))
        if (refusal := unusable_path(error)) is None:
            raise
        _refuse(refusal)


def _refuse(error: Exception, status: ExitCode = ExitCode.USER_ERROR) -> NoReturn:
    # A worker's log may lie on the full disk that it reports: the exit status is what counts.
    with contextlib.suppress(OSError):
        print_error(str(error))
    sys.exit(status)
