"""What every group of settings has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed that torch, NumPy and Optuna all take."""


class Settings(BaseModel):
    """A frozen group of settings.

    It accepts no unknown key, no silent conversion of types, and no number that is infinite or
    not a number.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class MisfitError(ValueError):
    """Values that are legal one by one, but not together.

    Args:
        text: What does not hold, and the remedy.
        keys: Dotted paths of the values, the one to look at first at the end.
    """

    def __init__(self, text: str, *keys: str) -> None:
        super().__init__(text)
        self.keys = keys
