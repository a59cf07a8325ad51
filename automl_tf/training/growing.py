"""How many sentences a validation translates: few while a model learns fast, all in the end.

Early on trials lie far apart and their order shows on few sentences; a validation of a
newstest-sized split takes as long as many training steps.
"""

from automl_tf.config.settings import TrainingConfig


def num_validated(step: int, training: TrainingConfig, available: int) -> int:
    """Sentences of the validation at a step, the first of the split's fixed order.

    It follows from the step and the settings alone: a resumed training, every process of a team and
    every worker take the same.

    Args:
        step: Optimizer steps done; one that is validated at.
        training: The settings.
        available: Sentences of the whole split.
    """
    first = training.validate_sentences
    if first == 0 or step >= training.max_steps:
        return available
    before = max(0, step // training.validate_every - 1)
    # That many doublings exceed any split.
    return min(available, first << min(before, available.bit_length()))
