"""The rows of Table 3 of "Attention Is All You Need" (Vaswani et al. 2017, section 6.2)."""

from dataclasses import dataclass

from automl_tf.config.settings import ModelConfig

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
