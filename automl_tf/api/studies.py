"""Studies in Python: made or read from a file, searched, looked at, exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap

from automl_tf.api.corpora import Corpus
from automl_tf.api.models import Model, train
from automl_tf.cli.options import check_study_name, silence_libraries
from automl_tf.cli.studies import places_of, run_search
from automl_tf.config.files import Export, read_study
from automl_tf.config.study import Budget
from automl_tf.config.study import Study as StudyFiles
from automl_tf.config.yaml_io import dump_yaml
from automl_tf.errors import Place, UserError
from automl_tf.home import home_directory
from automl_tf.search.export import export as export_text
from automl_tf.search.export import export_of
from automl_tf.search.opening import load_study
from automl_tf.search.pool import SearchOutcome
from automl_tf.search.storage import open_storage
from automl_tf.search.study_view import StudyView, TrialView

if TYPE_CHECKING:
    import optuna
    import pandas as pd  # type: ignore[import-untyped]
    from optuna.pruners import BasePruner

    from automl_tf.search.run import Locations
    from automl_tf.search.samplers.prior_gp import PriorGPSampler

SHIPPED_SPACES = Path(__file__).parents[2] / "search_spaces"
"""The spaces that come with a checkout of the project."""


@dataclass(frozen=True)
class Definition:
    """The files of a study, and where it keeps things.

    Attributes:
        path: The study file.
        overrides: Values that replace those of the file, ``KEY=VALUE``.
        places: Its home directory, database and MLflow.
        files: What the file and the space file hold, checked.
    """

    path: Path
    overrides: tuple[str, ...]
    places: "Locations"
    files: StudyFiles

    @classmethod
    def read(
        cls,
        path: Path,
        overrides: Sequence[str],
        home: str | Path | None,
        storage: str | None,
        tracking: str | None,
    ) -> "Definition":
        """Reads the files of a study.

        Raises:
            UserError: For any mistake in them.
        """
        silence_libraries()
        files = read_study(path.absolute(), overrides)
        places = places_of(home_directory(home), storage, tracking)
        return cls(path.absolute(), tuple(overrides), places, files)


class Study:
    """A search for the best Transformer for a corpus.

    What it is made of is written into the home directory as the two files of a study, which the
    command line reads, too.

    Args:
        name: Its name. A study of that name in the storage is resumed.
        corpus: The parallel text: `files`, `table`, `hub` or `sample`.
        space: What is searched: the name of a shipped space, the path of a space file, or its
            content, as in ``{"model.d_model": {"choices": [64, 128]}}``.
        budget: When the search is over.
        home: Directory of everything that is written: `AUTOML_TF_HOME`, or ``runs``.
        storage: URL of the study database: `AUTOML_TF_STORAGE`, or SQLite in the home directory.
        tracking: URI of MLflow: `AUTOML_TF_TRACKING`, `MLFLOW_TRACKING_URI`, or the home's own.
        settings: Further sections of a study file: ``fixed``, ``sampler``, ``pruner``,
            ``objectives``, ``constraints``, ``scheduler``, ``confirm`` (docs/settings.md).

    Raises:
        UserError: For any mistake in them.
    """

    def __init__(
        self,
        name: str,
        corpus: Corpus,
        space: str | Path | Mapping[str, Any] = "small",
        budget: Budget | None = None,
        *,
        home: str | Path | None = None,
        storage: str | None = None,
        tracking: str | None = None,
        **settings: Any,  # noqa: ANN401 - sections of any type
    ) -> None:
        check_study_name(name)  # it becomes a folder
        folder = home_directory(home) / "definitions" / name
        document = {"name": name, "space": str(_space_file(space, folder)), "corpus": dict(corpus)}
        if budget is not None:
            document["budget"] = budget.model_dump(exclude_defaults=True)
        path = _write(folder / "study.yaml", {**document, **settings})
        self.definition = Definition.read(path, (), home, storage, tracking)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        overrides: Sequence[str] = (),
        *,
        home: str | Path | None = None,
        storage: str | None = None,
        tracking: str | None = None,
    ) -> "Study":
        """Returns the study of a file, with overrides in the form ``KEY=VALUE``.

        Raises:
            UserError: For any mistake in it.
        """
        study = cls.__new__(cls)
        study.definition = Definition.read(Path(path), overrides, home, storage, tracking)
        return study

    @property
    def path(self) -> Path:
        """The study file."""
        return self.definition.path

    @property
    def home(self) -> Path:
        """Directory of everything that is written."""
        return self.definition.places.home

    @property
    def files(self) -> StudyFiles:
        """What the two files hold, checked."""
        return self.definition.files

    @property
    def tracking(self) -> str:
        """URI of MLflow."""
        return self.definition.places.tracking

    @property
    def name(self) -> str:
        """Its name."""
        return self.files.config.name

    def sampler(self, seed: int | None = None) -> "PriorGPSampler":
        """Returns the sampler `auto` for the space, for anybody's own Optuna study.

        Args:
            seed: Seed of its draws; that of the study when not given.
        """
        from automl_tf.search.samplers.build import distributions  # noqa: PLC0415 - scipy
        from automl_tf.search.samplers.prior_gp import PriorGPSampler  # noqa: PLC0415

        own = self.files.config.seed if seed is None else seed
        return PriorGPSampler(distributions(self.files.space), own, learn_from=())

    def pruner(self) -> "BasePruner":
        """Returns the study's pruner, `auto` unless it asks for another, for any Optuna study."""
        from automl_tf.search.pruners.build import pruner_of  # noqa: PLC0415 - scipy

        return pruner_of(self.files)

    def search(
        self,
        *,
        workers: int | None = None,
        workers_per_gpu: int | None = None,
        quiet: bool = False,
    ) -> "SearchResult":
        """Creates or resumes the study and runs it until its budget is spent.

        Ctrl-C, or the stop button of a notebook, saves everything; the same call resumes.

        Args:
            workers: Worker processes; one a core or GPU when not given.
            workers_per_gpu: Workers that share each GPU.
            quiet: Prints the result only.

        Raises:
            UserError: If the corpus, the storage or the machine does not serve.
        """
        from automl_tf.search.launchers.placement import Placement  # noqa: PLC0415 - imports torch

        study, outcome = run_search(
            self.files,
            self.path,
            list(self.definition.overrides),
            self.definition.places,
            Placement(None, workers, workers_per_gpu, None),
            {},
            quiet=quiet,
        )
        if outcome.error is not None:
            raise outcome.error
        return SearchResult(study, self.home, self.definition.places.tracking, outcome)

    def result(self) -> "SearchResult":
        """Returns what is in the storage of the study so far, without searching.

        Raises:
            UserError: If no search has created it.
        """
        storage = open_storage(self.definition.places.storage, self.home)
        return SearchResult(
            load_study(storage, self.name), self.home, self.definition.places.tracking
        )


@dataclass(frozen=True)
class SearchResult:
    """The trials of a study.

    Attributes:
        study: The Optuna study.
        home: The home directory of the search.
        tracking: URI of MLflow.
        outcome: How the search ended; None where it was only looked at.
    """

    study: "optuna.Study"
    home: Path
    tracking: str
    outcome: SearchOutcome | None = None

    @property
    def view(self) -> StudyView:
        """The study at this moment, as ``show`` prints it."""
        return StudyView.read(self.study)

    @property
    def best(self) -> TrialView | None:
        """The best trial; of a Pareto front the one with the highest BLEU. None before there is."""
        return max(self.front, key=lambda trial: trial.values or [], default=None)

    @property
    def front(self) -> list[TrialView]:
        """The best trial, or with several objectives the trials of the Pareto front."""
        view = self.view
        return [view.trials[number] for number in view.best]

    def trials(self) -> "pd.DataFrame":
        """Returns a row for each trial: number, state, settings, best BLEU, size, seconds, reason.

        Settings have the names of a study file, as in ``model.d_model``.
        """
        import pandas as pd  # noqa: PLC0415 - half a second

        view = self.view
        names = [name for name, _ in view.objectives]
        missing: list[float | None] = [None] * len(names)
        return pd.DataFrame(
            {
                "number": trial.number,
                "state": trial.state,
                "best_bleu": trial.best_bleu,
                **dict(zip(names, trial.values or missing, strict=True)),
                **trial.params,
                "num_parameters": trial.num_parameters,
                "seconds": trial.seconds,
                "reason": trial.reason,
            }
            for trial in view.trials
        )

    def export(
        self, pick: str = "best", trial: int | None = None, path: str | Path | None = None
    ) -> Export:
        """Returns the training configuration of a trial.

        Args:
            pick: The rule that selects it, as of ``export --pick``.
            trial: Its number, instead of a rule.
            path: File to write it to as well, with comments.

        Raises:
            UserError: If no trial fits.
        """
        if path is not None:
            Path(path).write_text(export_text(self.study, pick, trial), encoding="utf-8")
        return export_of(self.study, pick, trial)

    def bundle(self, output: str | Path | None = None, *, quiet: bool = False) -> Model:
        """Returns the model of the best trial, trained to its end where it is not yet.

        Args:
            output: Directory of the bundle; by default in the home directory.
            quiet: Prints nothing.
        """
        return train(self.export(), output, home=self.home, tracking=self.tracking, quiet=quiet)


def _space_file(space: str | Path | Mapping[str, Any], folder: Path) -> Path:
    """Returns the file of a space that was given by name, by path or by its content."""
    if isinstance(space, Mapping):
        return _write(folder / "space.yaml", dict(space))
    path = Path(space).expanduser()
    if path.suffix or path.exists():
        return path.absolute()
    shipped = SHIPPED_SPACES / f"{space}.yaml"
    if not shipped.exists():
        names = sorted(one.stem for one in SHIPPED_SPACES.glob("*.yaml"))
        raise UserError(
            f"There is no space {space!r}.",
            f"Use one of {', '.join(names)}, the path of a file, or a dictionary of domains."
            if names
            else "Give the path of a file, or a dictionary of domains.",
            Place(key="space"),
        )
    return shipped


def _write(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump_yaml(CommentedMap(document)), encoding="utf-8")
    return path
