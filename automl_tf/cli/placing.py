"""Where the workers of a search run: on this machine, or on the nodes of a Ray cluster."""

import functools
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from automl_tf.config.study import Study
from automl_tf.errors import Place, UserError

RAY_TOKEN = Path.home() / ".ray" / "auth_token"
"""Where `ray start` keeps the token of a person's clusters."""

if TYPE_CHECKING:
    from automl_tf.search.pool import Launcher, WorkerPool
    from automl_tf.search.run import Locations


def hire(
    words: list[str],
    study: Study,
    places: "Locations",
    *,
    on: str | None,
    workers: int | None,
    workers_per_gpu: int | None,
    gpus_per_trial: float | None,
) -> tuple["WorkerPool", int]:
    """The workers of a search and their number, none of them started yet.

    Args:
        words: The command of each, without what depends on the place.
        study: What they search.
        places: Where it keeps things.
        on: The cluster's address, or None for this machine.
        workers: How many, or None for as many as there is room for.
        workers_per_gpu: Workers that share a GPU of this machine.
        gpus_per_trial: GPUs of each worker on a Ray cluster.

    Raises:
        UserError: If options do not go together, or if there is no room.
    """
    from automl_tf.search.pool import WorkerPool

    if on is None:
        _refuse_without(gpus_per_trial, "--gpus-per-trial", "--on ray")
        site, room = _here(words, study, places, workers_per_gpu)
    else:
        _refuse_without(workers_per_gpu, "--workers-per-gpu", "no cluster; say --gpus-per-trial")
        site, room = _there(words, study, places, on, gpus_per_trial)
    hours = study.config.budget.hours
    deadline = None if hours is None else time.monotonic() + 3600 * hours
    size = workers or room
    return WorkerPool(site, size, deadline), size


def _here(
    words: list[str], study: Study, places: "Locations", workers_per_gpu: int | None
) -> tuple["Launcher", int]:
    from automl_tf.search.launchers.local import LocalLauncher, default_workers
    from automl_tf.search.run import devices_of_a_trial
    from automl_tf.training.machine import has_gpu

    if workers_per_gpu is not None and not has_gpu():
        raise UserError(
            f"--workers-per-gpu = {workers_per_gpu}, and this machine has no GPU that torch sees.",
            "Say --workers alone.",
            Place(key="--workers-per-gpu"),
        )
    devices, each = devices_of_a_trial(study), workers_per_gpu or 1
    logs = places.home / "logs"
    site = LocalLauncher([*words, *_share(1 / each)], places.variables, logs, devices)
    return site, default_workers(devices, each)


def _there(
    words: list[str], study: Study, places: "Locations", on: str, gpus_per_trial: float | None
) -> tuple["Launcher", int]:
    _show_ray_its_token()
    try:
        from automl_tf.search.launchers import ray
    except ImportError as error:
        raise UserError(
            f"--on {on} needs a package that cannot be imported: {error}.",
            "Install it: pip install 'automl-tf[ray]'",
            Place(key="--on"),
        ) from error
    from automl_tf.search.run import devices_of_a_trial

    ray.connect(on, places.storage)
    devices = devices_of_a_trial(study)
    gpus = float(devices) if gpus_per_trial is None and ray.has_gpus() else gpus_per_trial
    share = ray.Share(cores=devices, gpus=gpus or 0.0)
    room = ray.room_for(share, functools.partial(typer.echo, err=True))
    logs: Path = places.home / "logs"
    return ray.RayLauncher([*words, *_share(gpus or 1)], places.variables, logs, share), room


def _show_ray_its_token() -> None:
    """Has Ray use the token of this person's clusters, which `ray start` asks for by default.

    Ray reads the variable when it is imported. A cluster without authentication ignores it.
    """
    if RAY_TOKEN.exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _share(gpus: float) -> list[str]:
    return ["--gpu-share", str(gpus)] if gpus < 1 else []


def _refuse_without(given: float | None, option: str, needed: str) -> None:
    if given is not None:
        raise UserError(
            f"{option} = {given:g} goes with {needed}.", f"Drop {option}.", Place(key=option)
        )
