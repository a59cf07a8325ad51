"""What is known of a configuration's costs before any trial.

A cost grows with each setting by about the same factor a doubling. The figures stand in
``costs.yaml``, which ``benchmarks/derive_costs.py`` derives. Shape letters: N configurations.
"""

import functools
import importlib.resources
from collections.abc import Mapping

import numpy as np
from ruamel.yaml import YAML

from automl_tf.search.samplers.axes import Array, Columns
from automl_tf.search.samplers.text import Text

Growth = Mapping[str, float]
"""What a doubling of each setting adds to the logarithm of a cost, in standard deviations of that
logarithm among the configurations of a space."""
Costs = Mapping[str, Growth]
"""The growth of each cost by the name of its objective."""


def expected_thrift(growth: Growth, settings: Columns, text: Text) -> Array:  # noqa: ARG001 - none makes a model larger
    """The expected logarithm of a cost, turned so that more is better, less an unknown constant.

    Args:
        growth: How the cost grows.
        settings: Numeric settings of N configurations; at least one.
        text: The training corpus, of which costs do not depend.
    """
    thrift_N = np.zeros(len(next(iter(settings.values()))))
    for name, slope in growth.items():
        if name in settings:
            thrift_N -= slope * np.log2(settings[name])
    return thrift_N


@functools.cache
def shipped_costs() -> Costs:
    """The figures of ``costs.yaml``."""
    text = importlib.resources.files("automl_tf.search.samplers").joinpath("costs.yaml").read_text()
    loaded: Costs = YAML(typ="safe").load(text)
    return loaded
