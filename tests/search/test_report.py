"""The report of studies in every state, read as a browser would read it."""

import html
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import optuna
import pytest
from optuna.trial import TrialState

from automl_tf.config.settings import SyntheticCorpus
from automl_tf.config.space import Choices, Domain, Range, Space
from automl_tf.config.study import Limit, Objective, StudyConfig
from automl_tf.search.opening import open_study
from automl_tf.search.pruners.build import build_pruner, decide
from automl_tf.search.report.material import Material
from automl_tf.search.report.page import write_report
from automl_tf.search.report.summary import cost
from automl_tf.search.samplers.build import build_sampler, distribution
from automl_tf.search.schema import (
    BEST_STEP,
    INFEASIBLE,
    NUM_PARAMETERS,
    REASON,
    SAMPLES,
    SECONDS,
    VALIDATIONS,
    WORKER,
    StudyRecord,
)
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.study_view import LEAST_FOR_IMPORTANCE

STEPS = range(500, 6001, 500)
SECONDS_A_STEP = 0.02
SPITEFUL = "<script>alert('corpus')</script> & </script> {{ 7 * 7 }}"

SPACE: dict[str, Domain] = {
    "model.d_model": Choices(choices=(128, 256, 384, 512)),
    "model.num_heads": Choices(choices=(2, 4, 8)),
    "model.encoder_layers": Range(low=1, high=6),
    "model.dropout": Range(low=0.0, high=0.4),
    "model.norm": Choices(choices=("pre", "post")),
    "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
    "data.vocab_size": Choices(choices=(2000, 4000, 8000)),
}


def true_bleu(params: Mapping[str, Any], step: int) -> float:
    """A curve that saturates, at a height that the settings decide."""
    rate = math.log10(params.get("training.learning_rate", 1e-3))
    width = math.log2(params.get("model.d_model", 256) / 256)
    top = 36 - 9 * (rate + 2.7 + 0.25 * width) ** 2 + 1.5 * width
    top -= 25 * (params.get("model.dropout", 0.2) - 0.2) ** 2 * 10
    top += 0.6 * params.get("model.encoder_layers", 3)
    wobble = 0.3 * math.sin(step / 700 + 5 * rate)
    return max(0.0, top * (1 - math.exp(-step / 1500)) + wobble)


class Builder:
    """A study whose trials are asked, judged and told as the program does, without training."""

    def __init__(self, home: Path, config: StudyConfig, space: Mapping[str, Domain]) -> None:
        self.storage = open_storage(default_url(home), home)
        self.definition = StudyRecord(config, Space(space), "5e2f" * 16)
        self.study = open_study(self.storage, self.definition)
        self.study.pruner = build_pruner(config.pruner, STEPS[0], STEPS[-1], config.budget.trials)

    def run(self, ending: str = "") -> optuna.Trial:
        """A trial that goes as its curve and the pruner will have it, or that ends otherwise."""
        config, space = self.definition.config, self.definition.space
        self.study.sampler = build_sampler(
            config.sampler, space, config.seed, len(self.study.trials)
        )
        trial = self.study.ask(
            {name: distribution(domain) for name, domain in space.domains.items()}
        )
        width = trial.params.get("model.d_model", 256)
        layers = trial.params.get("model.encoder_layers", 3)
        trial.set_user_attr(WORKER, f"laptop:{4000 + trial.number % 2}:1795361067")
        trial.set_user_attr(NUM_PARAMETERS, 12 * width * width * layers + 4000 * width)
        if ending == "infeasible":
            trial.set_user_attr(INFEASIBLE, True)  # noqa: FBT003 - the attribute's value
            trial.set_user_attr(REASON, "not trained: num_parameters = 9e+07 is above the limit")
            self.study.tell(trial, state=TrialState.PRUNED)
        elif ending == "failed":
            self._validate(trial, STEPS[0])
            trial.set_user_attr(REASON, f"RuntimeError: {SPITEFUL}")
            self.study.tell(trial, state=TrialState.FAIL)
        elif ending == "running":
            self._validate(trial, STEPS[0])
        else:
            self._to_its_end(trial)
        return trial

    def _to_its_end(self, trial: optuna.Trial) -> None:
        config = self.definition.config
        for step in STEPS:
            bleu = self._validate(trial, step)
            if len(config.objectives) > 1:
                continue
            trial.report(bleu, step)
            decision = decide(config, self.study, trial.number, step, STEPS[-1])
            if decision.stop:
                trial.set_user_attr(REASON, decision.reason)
                self.study.tell(trial, state=TrialState.PRUNED)
                return
        told = self.study.trials[trial.number].user_attrs
        values = {
            "bleu": max(scores["bleu"] for scores in told[VALIDATIONS].values()),
            "num_parameters": float(told[NUM_PARAMETERS]),
            "latency": 3.0 + told[NUM_PARAMETERS] / 1e6,
        }
        self.study.tell(trial, [values[name] for name in config.objectives])

    def _validate(self, trial: optuna.Trial, step: int) -> float:
        bleu = true_bleu(trial.params, step)
        told = trial.user_attrs.get(VALIDATIONS, {})
        if all(bleu >= scores["bleu"] for scores in told.values()):
            trial.set_user_attr(BEST_STEP, step)
            trial.set_user_attr(SAMPLES, _samples(trial.number))
        scores = {"bleu": bleu, "chrf": bleu + 20, "loss": 5 - bleu / 12}
        trial.set_user_attr(VALIDATIONS, {**told, str(step): scores})
        trial.set_user_attr(SECONDS, step * SECONDS_A_STEP)
        return bleu


def _samples(number: int) -> list[dict[str, Any]]:
    pairs = [
        ("A man in a blue shirt is standing on a ladder.", "Ein Mann im blauen Hemd steht auf"),
        (SPITEFUL, SPITEFUL),
        ("Two dogs run through the snow.", "Zwei Hunde rennen durch den Schnee."),
    ]
    return [
        {
            "source": source,
            "reference": reference,
            "hypothesis": f"{reference} ({number})",
            "bleu": 12.5,
        }
        for source, reference in pairs
    ]


def plain(words: str) -> str:
    """The words at a point in one line, without tags."""
    return html.unescape(words.replace("<br>", " "))


def number(words: str) -> int:
    """The number of the trial that the words at a point name."""
    return int(words.removeprefix("<b>trial ").partition("<")[0])


def zip_points(trace: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    return zip(trace["text"], trace["y"], strict=True)


NONE = {"kind": "none"}


def config(**changes: Any) -> StudyConfig:
    return StudyConfig.model_validate(
        {
            "name": "harbour",
            "space": Path("space.yaml"),
            "corpus": SyntheticCorpus(kind="synthetic").model_dump(),
            "sampler": {"kind": "tpe", "startup_trials": 5},
            "pruner": {"kind": "median"},
            "budget": {"trials": 20},
            **changes,
        }
    )


def _now() -> datetime:
    """The time as Optuna keeps it: local, without a zone."""
    return datetime.now(tz=UTC).astimezone().replace(tzinfo=None)


def spread_in_time(study: optuna.Study) -> optuna.Study:
    """The same study with trials that took the time that they say they took."""
    copy = optuna.create_study(
        study_name=f"{study.study_name}-timed",
        storage=study._storage,
        directions=study.directions,
    )
    for name, value in study.user_attrs.items():
        copy.set_user_attr(name, value)
    free = dict.fromkeys(range(2), _now() - timedelta(minutes=20))
    for trial in study.trials:
        if trial.datetime_start is not None:
            worker = trial.number % 2
            trial.datetime_start = free[worker]
            free[worker] += timedelta(seconds=trial.user_attrs.get(SECONDS, 1.0) + 4)
            if trial.datetime_complete is not None:
                trial.datetime_complete = free[worker] - timedelta(seconds=2)
        copy.add_trial(trial)
    return copy


def full_study(home: Path) -> optuna.Study:
    """Two dozen trials in every state."""
    fixed = {"training.max_steps": STEPS[-1], "training.validate_every": STEPS[0]}
    limits = {"num_parameters": 30_000_000}
    builder = Builder(home, config(fixed=fixed, constraints=limits), SPACE)
    for number in range(22):
        builder.run({6: "failed", 11: "infeasible", 21: "running"}.get(number, ""))
    builder.study.enqueue_trial({"model.d_model": 256})
    return spread_in_time(builder.study)


def study_of(home: Path, number: int) -> optuna.Study:
    builder = Builder(home, config(), SPACE)
    for _ in range(number):
        builder.run()
    return builder.study


def two_objectives(home: Path) -> optuna.Study:
    builder = Builder(home, config(objectives=["bleu", "latency"], pruner=NONE), SPACE)
    for _ in range(8):
        builder.run()
    return builder.study


def three_objectives(home: Path) -> optuna.Study:
    own = {"start_with_base": False, "start_with": [{"model.d_model": 256}]}
    objectives = ["bleu", "latency", "num_parameters"]
    builder = Builder(home, config(objectives=objectives, pruner=NONE, **own), SPACE)
    for _ in range(4):
        builder.run()
    return builder.study


def one_setting(home: Path) -> optuna.Study:
    space = {"training.learning_rate": Range(low=1e-4, high=1e-2, log=True)}
    builder = Builder(home, config(), space)
    for _ in range(5):
        builder.run()
    return builder.study


STUDIES: dict[str, Callable[[Path], optuna.Study]] = {
    "full": full_study,
    "empty": lambda home: study_of(home, 0),
    "one trial": lambda home: study_of(home, 1),
    "two objectives": two_objectives,
    "three objectives": three_objectives,
    "one setting": one_setting,
}


class Reader(HTMLParser):
    """What a browser would see: text by section, plots, and addresses it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.text: dict[str, str] = {}
        self.plots: list[str] = []
        self.addresses: list[str] = []
        self.num_scripts = 0
        self._section = ""
        self._silent = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._silent = tag in ("script", "style")
        self.num_scripts += tag == "script"
        if tag == "section":
            self._section = given["id"] or ""
        if "data-figure" in given:
            self.plots.append(given["data-figure"] or "")
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        self._silent = False
        self._section = "" if tag == "section" else self._section

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text[self._section] = self.text.get(self._section, "") + data


@dataclass(frozen=True)
class Page:
    """A report and the study that it is about."""

    path: Path
    material: Material
    seen: Reader
    figures: dict[str, Any]


def read(study: optuna.Study, home: Path) -> Page:
    path = home / "pages" / "report.html"
    write_report(study, home, path)
    text = path.read_text(encoding="utf-8")
    seen = Reader()
    seen.feed(text)
    found = re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)
    figures = json.loads(found[1]) if found else {}
    return Page(path, Material.read(study), seen, figures)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    made = {}
    for name, build in STUDIES.items():
        home = tmp_path_factory.mktemp("home")
        made[name] = read(build(home), home)
    return made


@pytest.fixture
def full(pages: dict[str, Page]) -> Page:
    return pages["full"]


@pytest.mark.parametrize("name", STUDIES)
def test_every_plot_has_its_figure_and_nothing_is_loaded(pages: dict[str, Page], name: str) -> None:
    page = pages[name]
    assert sorted(page.seen.plots) == sorted(page.figures)
    assert page.seen.addresses == []
    assert all(figure["data"] for figure in page.figures.values())


@pytest.mark.parametrize("name", STUDIES)
def test_every_part_says_something(pages: dict[str, Page], name: str) -> None:
    assert all(words.strip() for part, words in pages[name].seen.text.items() if part)


def test_the_verdict_names_the_winner_and_what_it_gained(full: Page) -> None:
    values = {trial.number: trial.values[0] for trial in full.material.complete if trial.values}
    best = max(values, key=lambda number: values[number])
    words = full.seen.text["result"]
    assert f"Trial {best} is the best of {len(values)} complete trials" in words
    assert f"{values[best] - values[0]:.2f} BLEU above" in words


def test_a_study_without_the_papers_base_is_compared_with_its_own_first(
    pages: dict[str, Page],
) -> None:
    page = pages["three objectives"]
    assert page.material.base is page.material.view.trials[0]
    assert "the configuration that the study starts with" in page.seen.text["result"].lower()


def test_a_study_with_no_given_configuration_has_no_base(tmp_path: Path) -> None:
    builder = Builder(tmp_path, config(start_with_base=False), SPACE)
    for _ in range(2):
        builder.run()
    page = read(builder.study, tmp_path)
    assert page.material.base is None
    assert "no given configuration" in page.seen.text["result"]
    assert "base" not in page.seen.text["searched"]


def test_each_limit_and_objective_has_a_name_and_its_unit(tmp_path: Path) -> None:
    limits = dict.fromkeys(get_args(Limit), 2e6)
    objectives = list(get_args(Objective))
    builder = Builder(
        tmp_path, config(constraints=limits, objectives=objectives, pruner=NONE), SPACE
    )
    words = " ".join(read(builder.study, tmp_path).seen.text["searched"].split())
    for limit in (
        "floating-point operations a token at most 2e+06",
        "estimated memory at most 2,000,000 MB",
        "parameters at most 2.0M",
        "latency at most 2e+06 ms",
    ):
        assert limit in words
    assert "BLEU (maximize), chrF (maximize), parameters (minimize)" in words


def test_a_sampled_trial_is_not_the_base_even_if_it_came_first(tmp_path: Path) -> None:
    builder = Builder(tmp_path, config(), SPACE)
    for ending in ("failed", "", ""):
        builder.run(ending)
    copy = optuna.create_study(study_name="copied", storage=builder.storage, direction="maximize")
    for name, value in builder.study.user_attrs.items():
        copy.set_user_attr(name, value)
    copy.add_trials(reversed(builder.study.trials))
    material = Material.read(copy)
    assert material.base is material.view.trials[-1]
    assert material.base.state == "failed"


def test_every_validated_trial_has_a_curve_that_ends_where_it_ended(full: Page) -> None:
    traces = full.figures["curves"]["data"]
    assert len([trace for trace in traces if "lines" in trace["mode"]]) == len(full.material.scored)
    pruned = [trial for trial in full.material.scored if trial.state == "pruned"]
    assert pruned
    (ends,) = [trace for trace in traces if trace["marker"].get("symbol") == "x"]
    assert ends["x"] == [max(trial.intermediate) for trial in pruned]
    for trial, words in zip(pruned, ends["text"], strict=True):
        assert f"trial {trial.number}" in words
        assert plain(words).endswith(trial.reason or "no reason")


def test_what_ended_without_a_value_is_in_history_and_slices(full: Page) -> None:
    missed = {
        trial.number: trial.best_bleu
        for trial in full.material.scored
        if trial.state in ("pruned", "failed")
    }
    for name, figure in full.figures.items():
        if name == "history" or name.startswith("slice-"):
            traces = [one for one in figure["data"] if one["name"] in ("pruned", "failed")]
            shown = {number(text): y for one in traces for text, y in zip_points(one)}
            assert shown == missed


@pytest.mark.parametrize("name", SPACE)
def test_a_slice_has_every_trial_at_its_setting(full: Page, name: str) -> None:
    places = {}
    for trace in full.figures[f"slice-{name}"]["data"]:
        places |= {number(text): x for text, x in zip(trace["text"], trace["x"], strict=True)}
    ended = [trial for trial in full.material.scored if trial.has_ended]
    is_named = isinstance(SPACE[name], Choices)
    assert places == {
        trial.number: str(trial.params[name]) if is_named else trial.params[name] for trial in ended
    }


def test_parallel_lines_pass_all_settings_of_the_complete_trials(full: Page) -> None:
    figure = full.figures["parallel"]
    labels = [label.replace("<br>", "") for label in figure["layout"]["xaxis"]["ticktext"]]
    assert labels == ["BLEU", *sorted(SPACE)]
    assert len(figure["data"]) == len(full.material.complete)
    (best,) = [line for line in figure["data"] if line["line"]["width"] == 4]
    assert full.material.winner is not None
    shown = dict(best["customdata"])
    assert shown["model.d_model"] == str(full.material.winner.params["model.d_model"])


def test_the_contour_and_the_history_have_each_trial_at_its_place(full: Page) -> None:
    rows = {trial.number: trial for trial in full.material.complete}
    history = full.figures["history"]["data"][0]
    assert [number(text) for text in history["text"]] == history["x"] == list(rows)
    assert history["y"] == [trial.values[0] for trial in rows.values() if trial.values]
    surface, points = full.figures["contour"]["data"]
    assert surface["type"] == "contour"
    layout = full.figures["contour"]["layout"]
    for axis in ("x", "y"):
        name = layout[f"{axis}axis"]["title"]["text"]
        shown = dict(zip(map(number, points["text"]), points[axis], strict=True))
        assert shown == {at: trial.params[name] for at, trial in rows.items()}


def test_importances_are_those_of_the_board(full: Page) -> None:
    (bars,) = full.figures["importances"]["data"]
    shown = dict(zip(bars["y"], bars["x"], strict=True))
    assert shown == full.material.view.importances


def test_the_timeline_has_every_trial_its_state_its_worker_and_the_zone(full: Page) -> None:
    figure = full.figures["timeline"]
    shown = {at: bars["name"] for bars in figure["data"] for at in bars["y"]}
    started = [trial for trial in full.material.view.trials if trial.state != "waiting"]
    assert shown == {trial.number: trial.state for trial in started}
    assert re.search(r"UTC[+-]\d\d:\d\d", figure["layout"]["xaxis"]["title"]["text"])
    for bars in figure["data"]:
        for at, text in zip(bars["y"], bars["text"], strict=True):
            assert f"on laptop, process {4000 + at % 2}" in text


def test_all_figures_have_the_style_of_the_page(pages: dict[str, Page]) -> None:
    for page in pages.values():
        for figure in page.figures.values():
            assert not {"title", "template", "plot_bgcolor", "width"} & set(figure["layout"])
            assert not any("colorbar" in trace.get("marker", {}) for trace in figure["data"])
            assert "user_attrs" not in json.dumps(figure)


def test_best_so_far_never_falls(full: Page) -> None:
    (line,) = [trace for trace in full.figures["history"]["data"] if trace["name"] == "best so far"]
    assert line["y"] == sorted(line["y"])
    assert line["y"][-1] == max(trial.values[0] for trial in full.material.complete if trial.values)


def test_pruning_saves_the_steps_that_were_not_made(full: Page) -> None:
    missing = sum(
        STEPS[-1] - max(trial.intermediate)
        for trial in full.material.scored
        if trial.state == "pruned"
    )
    assert cost(full.material).saved == pytest.approx(missing * SECONDS_A_STEP)


def test_every_trial_is_in_the_table_with_its_reason(full: Page) -> None:
    words = full.seen.text["trials"]
    for trial in full.material.view.trials:
        assert (trial.reason or "") in words


def test_text_of_others_stays_text(full: Page) -> None:
    assert SPITEFUL in full.seen.text["samples"]
    assert SPITEFUL in full.seen.text["trials"]
    ours = 3  # Plotly, the figures, and what draws them
    assert full.seen.num_scripts == ours


def test_translations_of_the_best_stand_beside_those_of_the_base(full: Page) -> None:
    assert full.material.winner is not None
    words = full.seen.text["samples"]
    assert f"Schnee. ({full.material.winner.number})" in words
    assert "Schnee. (0)" in words


@pytest.mark.parametrize("name", STUDIES)
def test_commands_name_the_study(pages: dict[str, Page], name: str) -> None:
    page = pages[name]
    assert re.search(
        rf"automl-tf \S+ (--study )?{page.material.view.study}", page.seen.text["next"]
    )


def test_too_few_trials_are_said_instead_of_drawn(pages: dict[str, Page]) -> None:
    page = pages["one trial"]
    assert page.seen.plots == ["curves", "timeline"]
    assert f"at least {LEAST_FOR_IMPORTANCE} complete trials" in page.seen.text["missing"]
    assert pages["empty"].seen.plots == []


def test_one_setting_is_not_ranked(pages: dict[str, Page]) -> None:
    page = pages["one setting"]
    assert not {"importances", "parallel", "contour"} & set(page.seen.plots)
    assert "nothing to rank" in page.seen.text["missing"]
    assert "slice-training.learning_rate" in page.seen.plots


@pytest.mark.parametrize(
    ("name", "plots"),
    [
        ("two objectives", ["pareto-latency"]),
        ("three objectives", ["pareto-latency", "pareto-num_parameters"]),
        ("full", []),
    ],
)
def test_there_is_a_front_for_each_further_objective(
    pages: dict[str, Page], name: str, plots: list[str]
) -> None:
    page = pages[name]
    assert [plot for plot in page.seen.plots if plot.startswith("pareto")] == plots
    for plot in plots:
        (front,) = [
            trace for trace in page.figures[plot]["data"] if trace["name"] == "Pareto front"
        ]
        assert {number(text) for text in front["text"]} == set(page.material.view.best)
        assert front["x"] == sorted(front["x"])
        index = plots.index(plot) + 1
        for text, x, y in zip(front["text"], front["x"], front["y"], strict=True):
            values = page.material.view.trials[number(text)].values
            assert values is not None
            assert (y, x) == (values[0], values[index])
            assert f"latency {values[1]:.3g} ms" in text


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_browser_draws_everything_by_day_and_by_night(
    pages: dict[str, Page], name: str, browser: Any
) -> None:
    page = pages[name]
    for width, scheme in ((1280, "light"), (390, "dark")):
        complaints: list[str] = []
        requests: list[str] = []
        tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab.on("console", lambda line, told=complaints: told.append(line.text))
        tab.on("pageerror", lambda error, told=complaints: told.append(str(error)))
        tab.on("request", lambda request, made=requests: made.append(request.url))
        tab.goto(page.path.as_uri())
        drawn = tab.locator("[data-figure] .main-svg").first
        if page.seen.plots:
            drawn.wait_for()
        assert tab.locator("[data-figure]:has(.main-svg)").count() == len(page.seen.plots)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tools = [tool.get_attribute("data-title") for tool in tab.locator(".modebar-btn").all()]
        assert not any("share" in tool.lower() or "cloud" in tool.lower() for tool in tools)
        assert tools or width < 1280 or not page.seen.plots
        tab.emulate_media(color_scheme="dark" if scheme == "light" else "light")
        tab.wait_for_timeout(200)
        assert complaints == []
        assert requests == [page.path.as_uri()]
        tab.close()
