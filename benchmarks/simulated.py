"""Studies whose trials tell the storage what real ones do, but sleep instead of training."""

import datetime as dt
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState

from automl_tf.config.space import read_space
from automl_tf.config.study import StudyConfig
from automl_tf.scoring.sentences import COUNTS, SentenceStatistics
from automl_tf.search.context import WorkerContext
from automl_tf.search.events import Event
from automl_tf.search.opening import open_study
from automl_tf.search.ownership import Heartbeat, Ownership
from automl_tf.search.pruners.build import build_pruner
from automl_tf.search.samplers.build import distribution
from automl_tf.search.schema import (
    BEST_SENTENCES,
    BEST_STEP,
    ESTIMATED_MEMORY,
    FLOPS_PER_TOKEN,
    NUM_PARAMETERS,
    REASON,
    RUN_ID,
    SAMPLES,
    SECONDS,
    SEED,
    SENTENCES,
    VALIDATIONS,
    WORKER,
    StudyRecord,
)
from automl_tf.search.storage import open_storage
from automl_tf.search.trial_result import TrialResult
from contest import ROOT

VALIDATIONS_A_TRIAL, SECONDS_A_VALIDATION = 5, 1.0
TRIAL_SECONDS = VALIDATIONS_A_TRIAL * SECONDS_A_VALIDATION
SENTENCES_VALIDATED = 1_000
UNLIMITED = 1_000_000
ATTRIBUTES: dict[str, Any] = {
    NUM_PARAMETERS: 1_000_000,
    FLOPS_PER_TOKEN: 1e7,
    ESTIMATED_MEMORY: 500.0,
    SEED: 1,
    VALIDATIONS: {
        str(step): {"bleu": 20.0 + step, "chrf": 40.0, "loss": 2.0}
        for step in range(1, VALIDATIONS_A_TRIAL + 1)
    },
    SENTENCES: {},
    SECONDS: TRIAL_SECONDS,
    SAMPLES: ["a sentence"] * 24,
    BEST_STEP: VALIDATIONS_A_TRIAL,
    REASON: None,
    RUN_ID: "0" * 32,
    WORKER: "elsewhere:1:0",
}
"""Of a trial that ended, as a real one has them."""
_FINITE = models.TrialValueModel.TrialValueType.FINITE
_FINITE_STEP = models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE


@dataclass(frozen=True)
class Place:
    """A study for simulated workers.

    Attributes:
        url: Its database.
        home: A home directory.
        name: Its name.
        sampler: Kind of its sampler.
    """

    url: str
    home: Path
    name: str
    sampler: str

    @property
    def definition(self) -> StudyRecord:
        """The study: the space `small.yaml`, searched for BLEU."""
        config = StudyConfig.model_validate(
            {
                "name": self.name,
                "space": "small.yaml",
                "corpus": {"kind": "synthetic"},
                "sampler": {"kind": self.sampler},
                "pruner": {"kind": "median"},
                "budget": {"trials": UNLIMITED},
                "start_with_base": False,
            }
        )
        space, _ = read_space(ROOT / "search_spaces" / "small.yaml")
        return StudyRecord(config, space, fingerprint="none")

    def bench(
        self, tell: Callable[[Event], None] = lambda _event: None, deadline: float = float("inf")
    ) -> WorkerContext:
        """What a worker has."""
        definition = self.definition
        storage = open_storage(self.url, self.home)
        study = open_study(storage, definition)
        study.pruner = build_pruner(definition.config.pruner, 1, VALIDATIONS_A_TRIAL, UNLIMITED)
        return WorkerContext(
            storage=storage,
            study=study,
            record=definition,
            home=self.home,
            tracking=None,  # type: ignore[arg-type]
            tell=tell,
            should_pause=lambda: time.monotonic() > deadline,
        )


def simulated(
    trial: optuna.Trial, _ownership: Ownership, _heartbeat: Heartbeat, bench: WorkerContext
) -> TrialResult:
    """A trial that sleeps, and tells the storage what a real one does."""
    return validated(trial, bench, SECONDS_A_VALIDATION)


def validated(trial: optuna.Trial, bench: WorkerContext, pause: float) -> TrialResult:
    """Tells the storage what a trial tells it that trains to its end.

    Args:
        trial: The trial.
        bench: What its worker has.
        pause: Seconds before each validation.
    """
    counts = np.random.default_rng(trial.number).integers(0, 30, (SENTENCES_VALIDATED, COUNTS))
    text = SentenceStatistics(counts).to_text()
    for name in (NUM_PARAMETERS, FLOPS_PER_TOKEN, ESTIMATED_MEMORY, SEED):
        trial.set_user_attr(name, 1_000_000)
    bleu = 0.0
    for step in range(1, VALIDATIONS_A_TRIAL + 1):
        time.sleep(pause)
        bleu = 30.0 + step + trial.number % 7
        told = trial.user_attrs.get(VALIDATIONS, {})
        scores = {"bleu": bleu, "chrf": bleu, "loss": 1.0}
        trial.set_user_attr(VALIDATIONS, {**told, str(step): scores})
        kept = trial.user_attrs.get(SENTENCES, {})
        trial.set_user_attr(SENTENCES, {**kept, str(step): text})
        trial.set_user_attr(SECONDS, step * pause)
        trial.set_user_attr(SAMPLES, ["a sentence"] * 24)
        trial.report(bleu, step)
        trial.should_prune()
    bench.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    attributes = {SECONDS: TRIAL_SECONDS, BEST_STEP: 5, BEST_SENTENCES: text, SENTENCES: {}}
    for name, value in {**attributes, REASON: None, RUN_ID: "0" * 32}.items():
        trial.set_user_attr(name, value)
    return TrialResult(TrialState.COMPLETE, values=(bleu,))


def fill(place: Place, up_to: int) -> None:
    """Adds ended trials to a study until it has so many."""
    bench = place.bench()
    domains = bench.record.space.domains
    distributions = {name: distribution(domain) for name, domain in domains.items()}
    there = len(bench.study.get_trials(deepcopy=False))
    sampler = optuna.samplers.RandomSampler(seed=there)
    made = optuna.create_study(sampler=sampler)
    rows = [(number, made.ask(distributions).params) for number in range(there, up_to)]
    with bench.storage.engine.begin() as connection:
        _insert(connection, bench.study._study_id, rows, distributions)  # noqa: SLF001
    bench.storage.engine.dispose()


def _insert(
    connection: sqlalchemy.Connection,
    study_id: int,
    rows: Sequence[tuple[int, Mapping[str, Any]]],
    distributions: Mapping[str, BaseDistribution],
) -> None:
    """Writes complete trials in bulk, as Optuna would one by one."""
    now = dt.datetime.now()  # noqa: DTZ005 - what Optuna writes
    connection.execute(
        sqlalchemy.insert(models.TrialModel),
        [
            {
                "number": number,
                "study_id": study_id,
                "state": TrialState.COMPLETE,
                "datetime_start": now,
                "datetime_complete": now,
            }
            for number, _ in rows
        ],
    )
    found = connection.execute(
        sqlalchemy.select(models.TrialModel.number, models.TrialModel.trial_id).where(
            models.TrialModel.study_id == study_id
        )
    )
    ids = {row.number: row.trial_id for row in found}
    children: dict[Any, list[dict[str, Any]]] = {}
    for index, params in rows:
        trial, bleu = {"trial_id": ids[index]}, 20 + 10 * random.Random(index).random()  # noqa: S311
        children.setdefault(models.TrialValueModel, []).append(
            {**trial, "objective": 0, "value": bleu, "value_type": _FINITE}
        )
        for step in range(1, VALIDATIONS_A_TRIAL + 1):
            children.setdefault(models.TrialIntermediateValueModel, []).append(
                {
                    **trial,
                    "step": step,
                    "intermediate_value": bleu - 5 + step,
                    "intermediate_value_type": _FINITE_STEP,
                }
            )
        for name, value in params.items():
            children.setdefault(models.TrialParamModel, []).append(
                {
                    **trial,
                    "param_name": name,
                    "param_value": distributions[name].to_internal_repr(value),
                    "distribution_json": distribution_to_json(distributions[name]),
                }
            )
        for name, value in ATTRIBUTES.items():
            children.setdefault(models.TrialUserAttributeModel, []).append(
                {**trial, "key": name, "value_json": json.dumps(value)}
            )
    for model, values in children.items():
        connection.execute(sqlalchemy.insert(model), values)
