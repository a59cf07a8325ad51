"""Learning rates of a model's weights relative to each other.

With Adam each entry of a matrix moves by the learning rate, so that what a layer makes of its input
moves by that times the number of its inputs: a rate that suits one width is too high for a larger
one (Yang et al. 2021, section 4).
"""

from collections.abc import Iterator

from torch import Tensor, nn

from automl_tf.config.settings import BASE_INNER_WIDTH, BASE_WIDTH, LearningRateScale
from automl_tf.model.attention import CrossAttention, SelfAttention
from automl_tf.model.layers import FeedForward
from automl_tf.model.transformer import Transformer

OTHERS = 8.0
"""How much higher the rate of all other weights is than that of a matrix of the base width. Chosen
by measurement: benchmarks/width_transfer.py."""


def rate_multipliers(model: Transformer, scale: LearningRateScale) -> dict[Tensor, float]:
    """What the learning rate of each weight is multiplied by; of those left out, by one.

    With the scale ``width`` the rate of the layers' matrices goes with the inverse of their fan-in
    (Yang et al. 2021, table 8, Adam), and that of all other weights is the same at every width:
    embeddings, biases and norms, whose fan-in is one, and the output layer, which mostly is the
    embeddings again.

    Args:
        model: The model that is trained.
        scale: How the learning rate goes with the width.
    """
    if scale == "plain":
        return {}
    others: dict[Tensor, float] = dict.fromkeys(model.parameters(), OTHERS)
    return others | {linear.weight: base / linear.in_features for linear, base in _hidden(model)}


def _hidden(model: Transformer) -> Iterator[tuple[nn.Linear, int]]:
    """The matrices of the layers, and the fan-in at which they have the learning rate as given."""
    for module in model.modules():
        if isinstance(module, FeedForward):
            yield module.inner, BASE_WIDTH
            yield module.output, BASE_INNER_WIDTH
        elif isinstance(module, SelfAttention | CrossAttention):
            for projection in module.children():
                assert isinstance(projection, nn.Linear)
                yield projection, BASE_WIDTH
