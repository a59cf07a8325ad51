"""What all contestants share: the corpus as token ids, and the sizes of the models."""

from pathlib import Path
from typing import Any

from automl_tf.config.files import read_study
from automl_tf.config.settings import TrialConfig, unflatten
from automl_tf.data.prepare import PreparedData, prepare
from handwritten import DROPOUT, SHAPES, Shape

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "studies" / "multi30k-en-de.yaml"
CACHE = ROOT / "runs" / "cache"
SETTINGS = {
    "data.vocab_size": 8000,
    "data.subword": "bpe",
    "data.joint_vocab": True,
    "training.label_smoothing": 0.1,
}
"""The same for all."""


def settings_of(shape: Shape) -> dict[str, Any]:
    """A size in the project's settings."""
    return {
        "model.d_model": shape.d_model,
        "model.num_heads": shape.heads,
        "model.d_ff": shape.d_ff,
        "model.encoder_layers": shape.layers,
        "model.decoder_layers": shape.layers,
        "model.dropout": DROPOUT,
    }


def trial_config(study: Path, shape: Shape = SHAPES["d64/2"], **settings: Any) -> TrialConfig:  # noqa: ANN401
    """The configuration of a training on a study's corpus.

    Args:
        study: The study file.
        shape: Size of the model.
        settings: Settings of ``training`` that differ from their defaults.
    """
    training = {f"training.{name}": value for name, value in settings.items()}
    return TrialConfig.model_validate(
        {
            "corpus": read_study(study, []).config.corpus.model_dump(),
            **unflatten({**SETTINGS, **settings_of(shape), **training}),
        }
    )


def corpus(study: Path) -> PreparedData:
    """A study's corpus as token ids, from the cache where possible."""
    return prepare(trial_config(study), CACHE)
