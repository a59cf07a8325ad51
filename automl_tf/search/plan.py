"""What a search is about to take: time, memory and disk, by formulas and by what it has seen.

The time of a training follows from its operations. How many a second this machine does is known
from the trials so far; before there are any, on a processor, from measured matrix products.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import FreezeThawScheduler, Study
from automl_tf.device import core_flops
from automl_tf.formatting import HOUR
from automl_tf.model.size import num_parameters
from automl_tf.search.costs import asked_vocab, memory, operations_of_a_step
from automl_tf.search.export import NUM_KEPT
from automl_tf.search.freeze_thaw import SAFETY
from automl_tf.search.samplers.build import distributions
from automl_tf.search.samplers.prior_gp import sample_space
from automl_tf.search.samplers.priors import Configuration
from automl_tf.search.schema import StudyRecord
from automl_tf.search.study_view import TrialView

SAMPLES = 64
"""Random configurations of the space whose median stands for a trial."""
CORE_FLOPS = 447e9
"""Operations a second of the core on which the next were fitted (benchmarks/train_speed.py)."""
UTILISATION = 0.75
"""Share of the speed of matrix products that those of a training step reach."""
SECONDS_A_STEP = 0.015
"""What a step takes however small it is."""
SECONDS_A_NUMBER = 20e-9
"""What a step takes for each number of a layer's output."""
SECONDS_A_VALIDATION = 1.0
"""What a validation takes, with what is logged and saved."""
NUMBERS_OF_A_CHECKPOINT = 4
"""Numbers in fp32 for each weight: itself, two moments, and the best weights beside them."""


@dataclass(frozen=True)
class LocalWorkers:
    """The workers of a search on one machine.

    Attributes:
        count: Processes.
        threads: Threads of each.
    """

    count: int
    threads: int


@dataclass(frozen=True)
class SearchPlan:
    """What a search is about to take.

    Attributes:
        seconds_a_training: Seconds of one training to its end; None where nothing tells.
        hours: Hours until the budget is spent; None where nothing tells.
        num_trainings: Trainings to the end that fit into that time, at most as many as the budget
            has; None where nothing tells.
        memory_mb: Memory of all workers at most, in megabytes.
        disk_mb: Disk for checkpoints and weights at most, in megabytes.
    """

    seconds_a_training: float | None
    hours: float | None
    num_trainings: int | None
    memory_mb: float
    disk_mb: float


def plan(
    record: StudyRecord, trials: Sequence[TrialView], workers: LocalWorkers, cache: Path
) -> SearchPlan:
    """Returns what a search is about to take.

    Args:
        record: The definition of the study.
        trials: Its trials so far.
        workers: The worker processes on this machine.
        cache: Directory that keeps measurements of this machine.
    """
    study = record.study
    drawn = _drawn(study)
    configs = [study.trial_config(params, study.config.seed) for params in drawn]
    seconds = _seconds_a_training(record, trials, workers, cache)
    budget, scheduler = study.config.budget, study.config.scheduler
    if seconds is not None and budget.hours and isinstance(scheduler, FreezeThawScheduler):
        seconds = min(seconds, SAFETY * scheduler.finish * HOUR * budget.hours)
    left = max(0, budget.trials - sum(trial.has_ended for trial in trials))
    hours, fitting = budget.hours, None
    if seconds is not None:
        needed = math.ceil(left / workers.count) * seconds / HOUR
        hours = needed if budget.hours is None else min(budget.hours, needed)
        fitting = min(left, int(hours * HOUR * workers.count / seconds))
    of_a_trial = memory(study, record.precision)
    return SearchPlan(
        seconds_a_training=seconds,
        hours=hours,
        num_trainings=fitting,
        memory_mb=workers.count * max(of_a_trial(params) for params in drawn),
        disk_mb=_disk_mb(study, configs, workers.count),
    )


def _drawn(study: Study) -> list[Configuration]:
    """Returns some random configurations of the space."""
    rng = np.random.default_rng(study.config.seed)
    return sample_space(distributions(study.space), rng)[:SAMPLES]


def _seconds_a_training(
    record: StudyRecord, trials: Sequence[TrialView], workers: LocalWorkers, cache: Path
) -> float | None:
    """Returns the seconds of a training of median length; None where nothing tells."""
    study = record.study
    of_a_step = operations_of_a_step(study)
    speeds = [
        max(trial.intermediate) * of_a_step(trial.params) / trial.seconds
        for trial in trials
        if trial.intermediate and trial.seconds
    ]
    flops = core_flops(record.precision or "fp32", cache)
    if not speeds and flops is None:
        return None

    def seconds(params: Mapping[str, Any]) -> float:
        config, operations = study.trial_config(params, study.config.seed), of_a_step(params)
        if speeds:
            return config.training.max_steps * operations / statistics.median(speeds)
        assert flops is not None, "there is a speed of either kind"
        products = operations / (UTILISATION * workers.threads * flops)
        validation = SECONDS_A_VALIDATION / config.training.validate_every
        rest = (_rest_of_a_step(config) + validation) * CORE_FLOPS / flops
        return config.training.max_steps * (products + rest)

    return statistics.median(map(seconds, _drawn(study)))


def _rest_of_a_step(config: TrialConfig) -> float:
    """Returns the seconds that a step takes beside its matrix products, on the fitted core."""
    model, training = config.model, config.training
    layers = model.encoder_layers + model.decoder_layers
    numbers = training.batch_tokens * training.accumulate * model.d_model * layers
    return SECONDS_A_STEP + SECONDS_A_NUMBER * numbers


def _disk_mb(study: Study, configs: Sequence[TrialConfig], workers: int) -> float:
    """Returns the megabytes of checkpoints and weights: of the largest models drawn."""
    budget, may_pause = study.config.budget, study.config.scheduler.kind == "freeze_thaw"
    checkpoints = budget.trials if may_pause else workers
    sizes = [
        num_parameters(config.model, asked_vocab(config), config.data.longest_sequence)
        * (
            checkpoints
            * (NUMBERS_OF_A_CHECKPOINT + (config.training.ema > 0) + _num_recent(config))
            + min(NUM_KEPT, budget.trials)
        )
        for config in configs
    ]
    return 4 * max(sizes) / 1e6


def _num_recent(config: TrialConfig) -> int:
    count = config.training.average_checkpoints
    return 0 if count == 1 else count
