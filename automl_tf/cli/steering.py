"""The commands that steer a study, also while it is searched: ``enqueue``, ``stop``, ``delete``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_tf.cli.options import Home, Storage, StudyName
from automl_tf.config.yaml_io import parse_value
from automl_tf.errors import Place, UserError
from automl_tf.home import DEFAULT_HOME

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def enqueue(
    name: StudyName,
    settings: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="Searched settings, by dotted path."),
    ],
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Queues a configuration, which the next free worker trains; the sampler chooses the rest.

    Example: `automl-tf enqueue quickstart model.d_model=128 model.dropout=0.1`
    """
    from automl_tf.search import steering
    from automl_tf.search.opening import load_study

    params = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(
                f"{setting!r} is not of the form KEY=VALUE.",
                "Write for example model.d_model=128.",
                Place(key=setting),
            )
        params[key] = parse_value(value)
    database = _database(storage, home)
    number = steering.enqueue(database, load_study(database, name), params)
    typer.echo(f"trial {number} of {name} is queued")


def stop(
    name: StudyName,
    trial: Annotated[int, typer.Argument(min=0, metavar="TRIAL", help="Number of the trial.")],
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Stops a trial after its next validation, wherever it runs; one that waits at once.

    Example: `automl-tf stop quickstart 3`
    """
    from automl_tf.search import steering
    from automl_tf.search.opening import load_study

    database = _database(storage, home)
    typer.echo(steering.stop(database, load_study(database, name), trial))


def delete(
    name: StudyName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Deletes a study with its checkpoints and logs. Runs in MLflow and bundles stay.

    Example: `automl-tf delete quickstart --yes`
    """
    from automl_tf.search import steering
    from automl_tf.search.opening import load_study

    database = _database(storage, home)
    study = load_study(database, name)
    trials = len(study.get_trials(deepcopy=False))
    if not yes:
        typer.confirm(f"Delete the study {name} with {trials} trials?", abort=True)
    steering.delete(database, study, home.absolute())
    typer.echo(f"deleted: {name}, {trials} trials")


def _database(storage: str | None, home: Path) -> "RDBStorage":
    """Opens the study database of the options, to write into it."""
    from automl_tf.search.storage import default_url, open_storage

    return open_storage(storage or default_url(home), home.absolute())
