"""Views of studies that no storage holds."""

from collections.abc import Mapping, Sequence

from automl_tf.search.confirmation import ConfirmationResult
from automl_tf.search.study_view import StudyView, TrialView
from tests.search.making import definition


def make_view(
    name: str,
    trials: Sequence[TrialView],
    front: Sequence[int] = (),
    objectives: Sequence[str] = ("bleu",),
    importances: Mapping[str, float] | None = None,
    confirmation: ConfirmationResult | None = None,
    **mlflow: str,
) -> StudyView:
    """A view with these trials, and with these importances instead of computed ones."""
    view = StudyView(
        study=name,
        study_id="0" * 32,
        record=definition(name=name, objectives=list(objectives)),
        trials=list(trials),
        mlflow={"tracking_uri": None, "experiment": name, "run_id": None, **mlflow},
        confirmation=confirmation,
        front=list(front),
    )
    view.__dict__["importances"] = dict(importances or {})
    return view
