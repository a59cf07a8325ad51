"""Short trainings on the sample corpus tell good settings from bad ones."""

import pytest

from automl_tf.config.settings import TrialConfig, unflatten
from automl_tf.data.prepare import prepare
from automl_tf.training.events import Decision
from automl_tf.training.fit import fit

CORPUS = {"kind": "synthetic", "train_pairs": 4000, "validation_pairs": 50, "test_pairs": 10}
SETTINGS = {
    "model.d_model": 64,
    "model.num_heads": 4,
    "model.d_ff": 128,
    "model.encoder_layers": 1,
    "model.decoder_layers": 1,
    "model.dropout": 0.0,
    "training.learning_rate": 6e-3,
    "training.warmup_steps": 20,
    "training.batch_tokens": 512,
    "training.max_steps": 200,
    "training.validate_every": 200,
    "data.vocab_size": 2000,
}


def final_loss(folder, **changed):
    """Validation loss at the end, in nats a subword."""
    settings = unflatten({**SETTINGS, **changed})
    config = TrialConfig.model_validate({"corpus": CORPUS, "seed": 1, **settings})
    losses = []

    def observe(validation):
        losses.append(validation.loss)
        return Decision.CONTINUE

    fit(config, prepare(config, folder / "cache"), folder / "trained", observe)
    return losses[-1]


@pytest.mark.slow
def test_size_and_learning_rate_matter(tmp_path):
    good = final_loss(tmp_path / "good")
    for name, changed in {
        "narrow": {"model.d_model": 16},
        "slow": {"training.learning_rate": 6e-4},
    }.items():
        assert final_loss(tmp_path / name, **changed) > good + 0.1
