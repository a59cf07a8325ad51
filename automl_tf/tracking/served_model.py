"""The registered model: MLflow keeps this file beside a bundle and runs it wherever it serves.

It is executed, not imported, with a copy of the package among the model's own files. What stands
above the tracking in the package is therefore imported by name, when a model is loaded.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd  # type: ignore[import-untyped]


class ServedBundle(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Translates the one text column of its input."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:
        """Loads the bundle from the model's artifacts."""
        bundles = import_module("automl_tf.bundle.bundle")
        self._bundle = bundles.load(Path(context.artifacts["bundle"]))

    # The hint for a data frame is the one with which MLflow keeps the parameters and does not warn.
    def predict(
        self,
        context: mlflow.pyfunc.PythonModelContext,  # noqa: ARG002  (MLflow passes it)
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
    ) -> Sequence[str]:
        """Translates sentences, in their order.

        Args:
            context: What MLflow has loaded.
            model_input: A data frame, which MLflow makes of a list or a series as well.
            params: ``beam_size`` and ``length_penalty``; the bundle's own where not given.
        """
        column = model_input.iloc[:, 0]
        sentences = [text if isinstance(text, str) else "" for text in column]
        given = {name: value for name, value in (params or {}).items() if value is not None}
        translations: list[str] = self._bundle.translate(sentences, **given)
        return translations


mlflow.models.set_model(ServedBundle())
