"""The rows of Table 3 of "Attention Is All You Need" (Vaswani et al. 2017, section 6.2).

A study or a training configuration takes one by its name: `preset: big`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from automl_tf.config.rules import closest_name
from automl_tf.config.settings import ModelConfig
from automl_tf.config.yaml_io import Document, Location
from automl_tf.errors import UserError

PRESET = "preset"
"""Key of a preset's name, at the top of a file or among the fixed settings of a study."""

_BASE = ModelConfig(
    d_model=512,
    num_heads=8,
    d_ff=2048,
    encoder_layers=6,
    decoder_layers=6,
    dropout=0.1,
    norm="post",
    activation="relu",
    positions="sinusoidal",
    tie_embeddings=True,
)


@dataclass(frozen=True)
class PaperRow:
    """One row of the table: a model and how it was trained.

    Attributes:
        model: The model, with its dropout rate.
        label_smoothing: Share of the target distribution that is spread evenly.
        max_steps: Optimizer steps.
        warmup_steps: Optimizer steps over which the learning rate rises (section 5.3).
        published_parameters: Parameters as printed in the table, in millions, or None where the
            column is empty.
    """

    model: ModelConfig
    label_smoothing: float = 0.1
    max_steps: int = 100_000
    warmup_steps: int = 4_000
    published_parameters: int | None = None

    @property
    def learning_rate(self) -> float:
        """Peak learning rate of the paper's schedule (section 5.3)."""
        return float((self.model.d_model * self.warmup_steps) ** -0.5)

    @property
    def settings(self) -> dict[str, Any]:
        """The columns of the table and the schedule of section 5.3, by dotted path."""
        return {
            **{f"model.{name}": value for name, value in self.model.model_dump().items()},
            "training.label_smoothing": self.label_smoothing,
            "training.max_steps": self.max_steps,
            "training.learning_rate": self.learning_rate,
            "training.warmup_steps": self.warmup_steps,
            "training.schedule": "inverse_sqrt",
            "training.cooldown": 0.0,
            "training.beta2": 0.98,
            "training.weight_decay": 0.0,
        }


def _base(**changes: object) -> ModelConfig:
    """The base model with some settings changed, validated again."""
    return ModelConfig.model_validate(_BASE.model_dump() | changes)


def _heads(num_heads: int) -> PaperRow:
    """Row A: another number of heads at the same amount of computation."""
    return PaperRow(_base(num_heads=num_heads))


PAPER_ROWS = {
    "base": PaperRow(_BASE, published_parameters=65),
    "A-1-head": _heads(1),
    "A-4-heads": _heads(4),
    "A-16-heads": _heads(16),
    "A-32-heads": _heads(32),
    "B-d_k-16": PaperRow(_base(d_k=16), published_parameters=58),
    "B-d_k-32": PaperRow(_base(d_k=32), published_parameters=60),
    "C-2-layers": PaperRow(_base(encoder_layers=2, decoder_layers=2), published_parameters=36),
    "C-4-layers": PaperRow(_base(encoder_layers=4, decoder_layers=4), published_parameters=50),
    "C-8-layers": PaperRow(_base(encoder_layers=8, decoder_layers=8), published_parameters=80),
    "C-d_model-256": PaperRow(_base(d_model=256), published_parameters=28),
    "C-d_model-1024": PaperRow(_base(d_model=1024), published_parameters=168),
    "C-d_ff-1024": PaperRow(_base(d_ff=1024), published_parameters=53),
    "C-d_ff-4096": PaperRow(_base(d_ff=4096), published_parameters=90),
    "D-no-dropout": PaperRow(_base(dropout=0.0)),
    "D-dropout-0.2": PaperRow(_base(dropout=0.2)),
    "D-no-smoothing": PaperRow(_BASE, label_smoothing=0.0),
    "D-smoothing-0.2": PaperRow(_BASE, label_smoothing=0.2),
    "E-learned-positions": PaperRow(_base(positions="learned")),
    "big": PaperRow(
        _base(d_model=1024, d_ff=4096, num_heads=16, dropout=0.3),
        max_steps=300_000,
        published_parameters=213,
    ),
}
"""By the letter of the row and what it changes; row A keeps d_k = d_v = d_model / num_heads."""


def expand_preset(
    document: Document, group: str | None = None, searched: Collection[str] = ()
) -> Document:
    """Returns a document with the settings of its preset in place of the preset's name.

    A setting that the document gives itself stays, unless the command line gives the preset and not
    the setting.

    Args:
        document: A study or a training configuration.
        group: Key of the settings by dotted path, in a study; None where groups are nested.
        searched: Dotted paths of settings that are searched and stay so.

    Raises:
        UserError: If there is no preset of the name.
    """
    for location in _locations(group):
        name, place = document.get(location), document.place(location)
        if name is None:
            continue
        if not isinstance(name, str) or name not in PAPER_ROWS:
            match = closest_name(str(name), PAPER_ROWS)
            hint = f"Did you mean {match}? " if match else ""
            names = ", ".join(PAPER_ROWS)
            raise UserError(f"There is no preset {name}.", f"{hint}There are: {names}.", place)
        document = document.without(location)
        for path, value in PAPER_ROWS[name].settings.items():
            target = (group, path) if group else tuple(path.split("."))
            is_absent = value is None and document.get(target) is None
            if path not in searched and not is_absent:
                document = document.with_default(target, value, location)
    return document


def _locations(group: str | None) -> tuple[Location, ...]:
    return ((PRESET,), (group, PRESET)) if group else ((PRESET,),)
