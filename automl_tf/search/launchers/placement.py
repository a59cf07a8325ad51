"""Options of where the workers of a search run, and the pool that follows from them."""

import contextlib
import importlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from automl_tf.config.study import Study
from automl_tf.errors import Place, UserError
from automl_tf.formatting import HOUR
from automl_tf.search.launchers import local
from automl_tf.search.pool import Launcher, WorkerPool
from automl_tf.search.run import Locations, devices_of_a_trial


@dataclass(frozen=True)
class Placement:
    """Where workers run, and how many.

    Attributes:
        cluster: Address of a Ray cluster (``--on``), or None for this machine.
        workers: Number of workers, or None for as many as there is room for.
        workers_per_gpu: Workers that share each GPU of this machine.
        gpus_per_trial: GPUs of each worker on a cluster.
    """

    cluster: str | None = None
    workers: int | None = None
    workers_per_gpu: int | None = None
    gpus_per_trial: float | None = None


def create_pool(
    arguments: Sequence[str],
    study: Study,
    locations: Locations,
    placement: Placement,
    say: Callable[[str], None],
) -> WorkerPool:
    """Returns the pool of a search, whose workers are not started yet.

    Args:
        arguments: Command line of each worker, without what depends on its place.
        study: The study.
        locations: Where the study keeps things.
        placement: Where workers run.
        say: Shows the user a message.

    Raises:
        UserError: If options exclude each other, or if there is no room.
    """
    _refuse_unusable(placement)
    devices, logs = devices_of_a_trial(study), locations.home / "logs"
    hours = study.config.budget.hours
    if hours is not None:
        arguments = [*arguments, "--planned-end", str(time.time() + HOUR * hours)]
    launcher: Launcher
    if placement.cluster is None:
        per_gpu = _workers_per_gpu(placement.workers_per_gpu)
        command = [*arguments, *_gpu_share(1 / per_gpu)]
        launcher = local.LocalLauncher(command, locations.variables, logs, devices)
        room = local.default_workers(devices, per_gpu)
    else:
        _require_ray(placement.cluster)
        from automl_tf.search.launchers import ray  # noqa: PLC0415 - an optional dependency

        ray.connect(placement.cluster, locations.storage)
        given = placement.gpus_per_trial
        gpus = float(devices) if given is None and ray.has_gpus() else given
        resources = ray.WorkerResources(cores=devices, gpus=gpus or 0.0)
        room = ray.room_for(resources, say)
        command = [*arguments, *_gpu_share(gpus or 1)]
        launcher = ray.RayLauncher(command, locations.variables, logs, resources)
    deadline = None if hours is None else time.monotonic() + HOUR * hours
    return WorkerPool(launcher, placement.workers or room, deadline)


def _refuse_unusable(placement: Placement) -> None:
    """Refuses options that have no meaning in the place that was chosen."""
    if placement.cluster is None:
        option, given, needed = "--gpus-per-trial", placement.gpus_per_trial, "--on ray"
    else:
        option, given = "--workers-per-gpu", placement.workers_per_gpu
        needed = "no cluster; say --gpus-per-trial"
    if given is not None:
        raise UserError(
            f"{option} = {given:g} goes with {needed}.", f"Drop {option}.", Place(key=option)
        )


def _workers_per_gpu(given: int | None) -> int:
    if given is not None and not local.visible_gpus():
        raise UserError(
            f"--workers-per-gpu = {given}, and this machine has no GPU that torch sees.",
            "Say --workers alone.",
            Place(key="--workers-per-gpu"),
        )
    return given or 1


def _require_ray(cluster: str) -> None:
    """Refuses a cluster where the optional package is missing or broken."""
    _authenticate()
    try:
        importlib.import_module("automl_tf.search.launchers.ray")
    except ImportError as error:
        raise UserError(
            f"--on {cluster} needs a package that cannot be imported: {error}.",
            "Install it: pip install 'automl-tf[ray]'",
            Place(key="--on"),
        ) from error


def _authenticate() -> None:
    """Makes Ray use the token of this user's clusters, which `ray start` asks for by default.

    Ray reads the variable when it is imported. A cluster without authentication ignores it.
    """
    # The user of a container may have no home.
    with contextlib.suppress(RuntimeError, OSError):
        if (Path.home() / ".ray" / "auth_token").exists():
            os.environ.setdefault("RAY_AUTH_MODE", "token")


def _gpu_share(gpus: float) -> list[str]:
    return ["--gpu-share", str(gpus)] if gpus < 1 else []
