"""Running out of memory: how it is recognised, and what is tried then."""

import gc

import torch

from automl_tf.config.settings import TrialConfig


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a training ended for want of memory."""
    # Torch has no error of its own for the CPU's memory.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def free_memory() -> None:
    """Gives back what nobody holds any more. To be called when the error itself is gone."""
    gc.collect()
    torch.cuda.empty_cache()


def smaller_batches(config: TrialConfig) -> dict[str, int] | None:
    """Settings for the same training in half the memory: half the tokens at once, twice as often.

    An update still sees as many tokens. None if such batches would not hold a sentence of the
    greatest length.
    """
    training = config.training
    if training.batch_tokens // 2 < config.data.longest_sequence:
        return None
    return {
        "training.batch_tokens": training.batch_tokens // 2,
        "training.accumulate": training.accumulate * 2,
    }
