"""The position-wise feed-forward network (Vaswani et al. 2017, section 3.3)."""

import torch.nn.functional as F
from torch import Tensor, nn

from automl_tf.config.settings import ModelConfig
from automl_tf.model.attention import initialise_projections
from automl_tf.model.kernels.dropout import dropout


class PositionwiseFeedForward(nn.Module):
    """Two linear layers with a non-linearity between them, the same at each position.

        FFN(x) = max(0, x W_1 + b_1) W_2 + b_2          (section 3.3, equation 2)

    GELU may take the place of the maximum (Hendrycks & Gimpel 2016). With SwiGLU a third matrix
    gates the inner units (Shazeer 2020, equation 6):

        FFN(x) = (silu(x W_1 + b_1) * (x V + c)) W_2 + b_2
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        self.dropout = config.activation_dropout
        widths = [config.d_ff, config.d_ff] if self.activation == "swiglu" else [config.d_ff]
        self.inner = nn.Linear(config.d_model, sum(widths))
        self.output = nn.Linear(config.d_ff, config.d_model)
        initialise_projections(self.inner, widths)
        initialise_projections(self.output, [config.d_model])

    def forward(self, x: Tensor) -> Tensor:
        """The network's output at each position, (..., d_model) to the same."""
        inner = dropout(self._activate(self.inner(x)), self.dropout, training=self.training)
        output: Tensor = self.output(inner)
        return output

    def _activate(self, inner: Tensor) -> Tensor:
        if self.activation == "relu":
            return F.relu(inner)
        if self.activation == "gelu":
            return F.gelu(inner)
        gate, value = inner.chunk(2, dim=-1)
        return F.silu(gate) * value
