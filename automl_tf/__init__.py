"""AutoML search for the best Transformer on your translation data.

    import automl_tf as at

    study = at.Study("my-corpus", corpus=at.files(...), space="small", budget=at.Budget(hours=1))
    model = study.search().bundle()
    model.translate(["..."])

Every name is imported when it is first used: `import automl_tf` itself takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_tf.api.corpora import files as files
    from automl_tf.api.corpora import hub as hub
    from automl_tf.api.corpora import sample as sample
    from automl_tf.api.corpora import table as table
    from automl_tf.api.models import Model as Model
    from automl_tf.api.models import load as load
    from automl_tf.api.models import train as train
    from automl_tf.api.objective import Objective as Objective
    from automl_tf.api.pruning import PruningCallback as PruningCallback
    from automl_tf.api.studies import SearchResult as SearchResult
    from automl_tf.api.studies import Study as Study
    from automl_tf.config.files import Export as Export
    from automl_tf.config.files import read_export as read_export
    from automl_tf.config.settings import TrialConfig as TrialConfig
    from automl_tf.config.study import Budget as Budget
    from automl_tf.data.prepare import prepare as prepare
    from automl_tf.errors import UserError as UserError
    from automl_tf.search.pruners.pruner import (
        CurveExtrapolationPruner as CurveExtrapolationPruner,
    )
    from automl_tf.search.samplers.prior_gp import PriorGPSampler as PriorGPSampler
    from automl_tf.training.data_module import TranslationDataModule as TranslationDataModule
    from automl_tf.training.fit import fit as fit
    from automl_tf.training.module import TranslationModule as TranslationModule

_HOMES = {
    "Budget": "config.study",
    "CurveExtrapolationPruner": "search.pruners.pruner",
    "Export": "config.files",
    "Model": "api.models",
    "Objective": "api.objective",
    "PriorGPSampler": "search.samplers.prior_gp",
    "PruningCallback": "api.pruning",
    "SearchResult": "api.studies",
    "Study": "api.studies",
    "TranslationDataModule": "training.data_module",
    "TranslationModule": "training.module",
    "TrialConfig": "config.settings",
    "UserError": "errors",
    "files": "api.corpora",
    "fit": "training.fit",
    "hub": "api.corpora",
    "load": "api.models",
    "prepare": "data.prepare",
    "read_export": "config.files",
    "sample": "api.corpora",
    "table": "api.corpora",
    "train": "api.models",
}
"""The module of each public name."""

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of names


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the names
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
