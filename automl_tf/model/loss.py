"""The loss: cross entropy with label smoothing.

Shapes: B sentences, T target positions, N tokens, D width, V ids that can be produced.
"""

from typing import NamedTuple

from torch import Tensor

from automl_tf.device import is_gpu
from automl_tf.model.kernels.cross_entropy import chunked_cross_entropy


class Loss(NamedTuple):
    """Means over the real tokens, as scalars in fp32.

    Attributes:
        smoothed: Cross entropy with the smoothed targets, to be minimised.
        nll: Negative log-likelihood of the targets in nats, without a gradient.
    """

    smoothed: Tensor
    nll: Tensor


def label_smoothed_cross_entropy(
    hidden_BTD: Tensor,
    weight_VD: Tensor,
    targets_BT: Tensor,
    smoothing: float,
    pad_id: int = 0,
) -> Loss:
    """Cross entropy with label smoothing (Szegedy et al. 2016; Vaswani et al. 2017, section 5.4).

        p = softmax(x W^T)                                  the generator's distribution
        q(v) = (1 - e) [v = y] + e / V                      the smoothed target y
        loss = - sum_v q(v) log p(v) = (1 - e) (-log p(y)) + e mean_v (-log p(v))

    Its mean over the tokens that are not padding, as that of the option of the same name of
    ``torch.nn.functional.cross_entropy``. In fp32 loss and gradients equal that function's up to
    rounding. In bf16 each logit and each probability is rounded to bf16 (relative error 2^-9),
    while sums over ids, tokens and chunks are kept in fp32.

    Args:
        hidden_BTD: The decoder's output x.
        weight_VD: The generator's matrix W.
        targets_BT: The next token y at each position.
        smoothing: The share e that is spread evenly.
        pad_id: Id of the targets that do not count.
    """
    hidden_ND, targets_N = hidden_BTD.flatten(0, -2), targets_BT.flatten()
    is_real_N = targets_N != pad_id
    # Leaving rows out saves work; on a GPU it would cost a wait for their number.
    if not is_gpu(is_real_N) and not bool(is_real_N.all()):
        rows_N = is_real_N.nonzero()[:, 0]
        hidden_ND, targets_N = hidden_ND.index_select(0, rows_N), targets_N[rows_N]
        is_real_N = is_real_N[rows_N]
    share_N = is_real_N.float() / is_real_N.sum().clamp_min(1)
    return Loss(*chunked_cross_entropy(hidden_ND, weight_VD, targets_N, share_N, smoothing))
