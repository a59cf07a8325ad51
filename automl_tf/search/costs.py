"""What a configuration costs, known before it trains, and the limits that a study sets.

Three costs follow from the configuration in closed form; latency has to be measured.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from automl_tf.config.settings import TrialConfig
from automl_tf.config.study import Limit, Study
from automl_tf.data.prepare import PreparedData
from automl_tf.device import Precision, resolve_precision
from automl_tf.formatting import format_amount
from automl_tf.model.activations import Arithmetic
from automl_tf.model.size import VocabSizes, flops_per_token, num_parameters
from automl_tf.search.schema import ESTIMATED_MEMORY, FLOPS_PER_TOKEN, NUM_PARAMETERS
from automl_tf.training.footprint import Extent, arithmetic_here, footprint

Costs = dict[str, float]
"""By the names under which the storage, MLflow and ``constraints`` know them."""

_FORMULAS: dict[str, Callable[[TrialConfig, VocabSizes, Extent, Precision | None], float]] = {
    NUM_PARAMETERS: lambda config, vocab, *_: num_parameters(
        config.model, vocab, config.data.longest_sequence
    ),
    FLOPS_PER_TOKEN: lambda config, vocab, *_: flops_per_token(config.model, vocab),
    ESTIMATED_MEMORY: lambda config, vocab, extent, auto: (
        footprint(config, vocab, extent, _arithmetic(config, auto)).megabytes
    ),
}
"""Functions of a configuration, its vocabularies, its sentences and the arithmetic of ``auto``."""


def costs(config: TrialConfig, data: PreparedData, auto: Precision | None = None) -> Costs:
    """What a configuration costs on its corpus.

    Args:
        config: The configuration.
        data: The corpus.
        auto: Arithmetic of ``precision: auto``; by default that of this machine.
    """
    extent = Extent.of(data)
    return {name: cost(config, data.sizes, extent, auto) for name, cost in _FORMULAS.items()}


def least_costs(config: TrialConfig) -> Costs:
    """What a configuration costs at least, before its corpus is prepared: without a vocabulary."""
    vocab = VocabSizes(1, 1, joint=config.data.joint_vocab, outputs=1)
    extent = Extent.unknown(config)
    # A shorter sentence makes smaller matrices of attention: what memory is least is not known.
    of_shape = (NUM_PARAMETERS, FLOPS_PER_TOKEN)
    return {name: _FORMULAS[name](config, vocab, extent, None) for name in of_shape}


def beyond_limits(config: TrialConfig, limits: Mapping[Limit, float]) -> Costs:
    """The costs that no vocabulary would bring below their limits."""
    least = least_costs(config)
    return {name: least[name] for name in limits if least.get(name, 0.0) > limits[name]}


def above_limit(name: str, cost: float, limit: float) -> str:
    """Returns in words why a trial is not trained whose cost is above a limit."""
    above = f"{format_amount(name, cost)} is above the limit of {format_amount(name, limit)}"
    return f"not trained: {name} = {above}"


def feasible(
    study: Study, auto: Precision | None = None
) -> Callable[[Mapping[str, Any]], bool] | None:
    """Tells of searched values whether no limit in closed form forbids them; None without a limit.

    Vocabularies count with the size that is asked for, and sentences with the longest that are
    trained on: what a corpus really has can be less, never more. ``auto`` is the arithmetic of
    ``precision: auto``, by default that of this machine.
    """
    limits = {name: limit for name, limit in study.config.constraints.items() if name in _FORMULAS}
    if not limits:
        return None
    complete = _completing(study)

    def is_feasible(params: Mapping[str, Any]) -> bool:
        config = complete(params)
        vocab, extent = asked_vocab(config), Extent.unknown(config)
        return all(
            _FORMULAS[name](config, vocab, extent, auto) <= limit for name, limit in limits.items()
        )

    return is_feasible


def effort(study: Study) -> Callable[[Mapping[str, Any]], float] | None:
    """Tells of searched values how many operations a trial takes; None where nothing is to save.

    A study whose budget is in hours has as many more trials as they are shorter. Several objectives
    weigh their costs themselves.
    """
    if study.config.budget.hours is None or len(study.config.objectives) > 1:
        return None
    complete, of_a_step = _completing(study), operations_of_a_step(study)

    def operations(params: Mapping[str, Any]) -> float:
        return complete(params).training.max_steps * of_a_step(params)

    return operations


def operations_of_a_step(study: Study) -> Callable[[Mapping[str, Any]], float]:
    """Returns a function from searched values to the operations of one optimizer step."""
    complete = _completing(study)

    def operations(params: Mapping[str, Any]) -> float:
        config = complete(params)
        tokens = config.training.accumulate * config.training.batch_tokens
        return tokens * flops_per_token(config.model, asked_vocab(config))

    return operations


def memory(study: Study, auto: Precision | None = None) -> Callable[[Mapping[str, Any]], float]:
    """Returns a function from searched values to the estimated memory of a trial, in megabytes.

    Vocabularies, sentences and ``auto`` count as in ``feasible``.
    """
    complete = _completing(study)

    def megabytes(params: Mapping[str, Any]) -> float:
        config = complete(params)
        vocab, extent = asked_vocab(config), Extent.unknown(config)
        return _FORMULAS[ESTIMATED_MEMORY](config, vocab, extent, auto)

    return megabytes


def _arithmetic(config: TrialConfig, auto: Precision | None) -> Arithmetic:
    setting = config.training.precision
    return arithmetic_here(auto if setting == "auto" and auto else resolve_precision(setting))


def asked_vocab(config: TrialConfig) -> VocabSizes:
    """The vocabularies at the size that is asked for: before the corpus is prepared."""
    size = config.data.vocab_size
    return VocabSizes(size, size, joint=config.data.joint_vocab, outputs=size)


def _completing(study: Study) -> Callable[[Mapping[str, Any]], TrialConfig]:
    """Makes configurations of values of a study's space."""
    some = {name: domain.ends()[0] for name, domain in study.space.domains.items()}
    return functools.partial(_with, study.trial_config(some, seed=1))


def _with(template: TrialConfig, params: Mapping[str, Any]) -> TrialConfig:
    """A configuration with other values of a legal space, which need no second proof."""
    groups: dict[str, dict[str, Any]] = {}
    for path, value in params.items():
        group, name = path.split(".")
        groups.setdefault(group, {})[name] = value
    return template.model_copy(
        update={
            group: getattr(template, group).model_copy(update=values)
            for group, values in groups.items()
        }
    )
