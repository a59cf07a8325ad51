"""Torch as the engine: greedy and beam search with the model where it is, in its own dtype."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from automl_tf.decoding.beam import beam_search
from automl_tf.decoding.constraints import Constraints, SearchOptions, SpecialTokens
from automl_tf.decoding.greedy import greedy_search
from automl_tf.decoding.hypotheses import Hypothesis
from automl_tf.device import is_gpu
from automl_tf.model.kernels.linear import packed_linears
from automl_tf.model.transformer import Transformer

# Source subwords and rows of one batch, padding and all rows of a beam counted: enough to make the
# products large and the steps few, and few enough for the cache and the logits of a large model.
BATCH_TOKENS = 16384
BATCH_ROWS = 512
# A GPU waits for its next kernel rather than for the end of this one.
GPU_BATCH_TOKENS = 65536
GPU_BATCH_ROWS = 2048


class TorchEngine:
    """Searches with a model; it may be in training mode and is left in the mode it was in.

    Args:
        model: The model, whose present weights count at each call.
        tokens: The special symbols.
    """

    def __init__(self, model: Transformer, tokens: SpecialTokens) -> None:
        self._model = model
        self._tokens = tokens

    @property
    def batch_tokens(self) -> int:
        """Source subwords of one batch, padding and all rows of a beam counted."""
        return GPU_BATCH_TOKENS if is_gpu(self._device) else BATCH_TOKENS

    @property
    def batch_rows(self) -> int:
        """Rows of one batch, all rows of a beam counted."""
        return GPU_BATCH_ROWS if is_gpu(self._device) else BATCH_ROWS

    @property
    def length_limit(self) -> int | None:
        """Longest sequence in tokens that the model can take, or None if there is no limit."""
        return self._model.length_limit

    @property
    def _device(self) -> torch.device:
        return self._model.output_weight_VD.device

    def search(
        self, sources: Sequence[Sequence[int]], limits: Sequence[int], options: SearchOptions
    ) -> list[Hypothesis]:
        """Translates one batch, with greedy search for a beam of one.

        Learned positions end somewhere: longer sources are cut to that length.

        Args:
            sources: Subword ids of each sentence with its end symbol; one of nothing is read as
                padding.
            limits: Most tokens of each translation, its end symbol not counted.
            options: The search.
        """
        longest = max(1, *map(len, sources))
        longest = min(longest, self.length_limit or longest)
        pad = self._tokens.pad
        padded = [[*source[:longest], *[pad] * (longest - len(source))] for source in sources]
        constraints = Constraints(self._tokens, options.is_length_fixed)
        with evaluating(self._model), packed_linears(self._model):
            source_BS = torch.tensor(padded, device=self._device)
            limits_B = torch.tensor(limits, device=self._device)
            if options.beam_size == 1:
                return greedy_search(self._model, source_BS, limits_B, constraints)
            return beam_search(
                self._model,
                source_BS,
                limits_B,
                constraints,
                options.beam_size,
                options.length_penalty,
            )


@contextmanager
def evaluating(model: Transformer) -> Iterator[None]:
    """Evaluation mode without gradients, and afterwards the mode from before."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
