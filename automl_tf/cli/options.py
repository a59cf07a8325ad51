"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

HOME_VARIABLE = "AUTOML_TF_HOME"
STORAGE_VARIABLE = "AUTOML_TF_STORAGE"
TRACKING_VARIABLE = "AUTOML_TF_TRACKING"

Home = Annotated[
    Path,
    typer.Option(
        "--home",
        envvar=HOME_VARIABLE,
        help="Directory of everything that the program writes.",
        file_okay=False,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
        help="URL of the study database; SQLite in the home directory when not given.",
        show_default=False,
    ),
]
Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        envvar=TRACKING_VARIABLE,
        help="URI of an MLflow server or store; the home directory's own when not given.",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replaces a value of the file, by dotted path; may be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone.")]

DEFAULT_HOME = Path("runs")


def silence_libraries() -> None:
    """Keeps progress bars and notices of libraries out of our own output.

    Called before the libraries are imported: some read these settings then and never again.
    """
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
