"""One study, looked at: in a terminal while it runs, then in a browser."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest

from automl_tf.search.opening import load_study
from automl_tf.search.report.page import write_report
from automl_tf.search.storage import default_url, open_storage
from automl_tf.search.study_view import StudyView
from tests.cli.studies import write_study
from tests.cli.terminal import run_in_terminal

pytestmark = pytest.mark.slow

STEPS = 600
LAPTOP, PHONE = (1280, 800), (390, 844)
LEAST_CONTRAST = 4.5
"""Between text and what it stands on (WCAG 2.2, success criterion 1.4.3)."""
WAIT_MS = 30_000

# Each element with text of its own: its words, their colour, and the first colour behind them.
COLOURS = """() => {
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].filter(node => node.nodeType === Node.TEXT_NODE)
      .map(node => node.textContent).join("").trim();
    const box = element.getBoundingClientRect();
    const drawn = getComputedStyle(element);
    const hidden = element.closest("script, style, noscript, .modebar-container, .bartext");
    if (!words || hidden || !box.width || drawn.visibility === "hidden") continue;
    let behind = element;
    while (/^(transparent|rgba\\(.*, 0\\))$/.test(getComputedStyle(behind).backgroundColor))
      behind = behind.parentElement;
    const ink = element instanceof SVGElement ? drawn.fill : drawn.color;
    found.push([words.slice(0, 40), ink, getComputedStyle(behind).backgroundColor]);
  }
  return found;
}"""


@dataclass(frozen=True)
class Tour:
    """A finished study.

    Attributes:
        home: Its home directory.
        written: What its search wrote to the terminal.
        study: The study in its storage.
        board: What ``show --json`` says of it.
    """

    home: Path
    written: str
    study: optuna.Study
    board: dict[str, Any]


@dataclass(frozen=True)
class Tab:
    """A page in a browser, and what it complained of and asked for."""

    page: Any
    complaints: list[tuple[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, browser: Any, address: str, size: tuple[int, int], scheme: str) -> "Tab":
        viewport = {"width": size[0], "height": size[1]}
        tab = cls(browser.new_page(viewport=viewport, color_scheme=scheme))
        tab.page.set_default_timeout(WAIT_MS)
        # Playwright writes into the object of a bound method, and this one is frozen.
        tab.page.on("console", lambda message: tab.note(message))  # noqa: PLW0108
        tab.page.on("pageerror", lambda error: tab.complaints.append((str(error), "")))
        tab.page.on("request", lambda request: tab.requests.append(request.url))
        tab.page.goto(address)
        return tab

    def note(self, message: Any) -> None:
        """Keeps an error of the console."""
        if message.type == "error":
            self.complaints.append((message.text, message.location.get("url", "")))


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory, reversal: dict) -> Tour:
    folder = tmp_path_factory.mktemp("looking")
    home = folder / "home"
    pruner = {"kind": "threshold", "lower": 6.0, "warmup_steps": 300}
    study = write_study(folder, reversal, pruner=pruner, budget={"trials": 3})
    # So long that a busy machine draws them while they run.
    longer = ("--set", f"training.max_steps={STEPS}", "--set", "training.validate_every=150")
    written = run_in_terminal("search", str(study), "--workers", "1", *longer, home=home)
    found = load_study(open_storage(default_url(home), home), "tour")
    return Tour(home, written, found, StudyView.read(found).to_json())


def test_the_terminal_is_drawn_in_place_and_left_as_it_was(tour: Tour) -> None:
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", tour.written)
    assert "\x1b[1A" in tour.written  # it was drawn over itself
    assert tour.written.rfind("\x1b[?25h") > tour.written.rfind("\x1b[?25l")  # the cursor is back
    assert re.search(rf"\d+/{STEPS} +\d\.\d{{3}} .*left", plain)
    states = {state: count for state, count in tour.board["counts"].items() if count}
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    last = plain[plain.rindex(f"3 of 3 trials: {counts}") :]
    for trial in tour.board["trials"]:
        assert (trial["reason"] or "").split(" is ")[0] in last
    assert "automl-tf export tour -o best.yaml" in last


@pytest.fixture(scope="module")
def report(tour: Tour) -> str:
    path = tour.home / "report.html"
    write_report(tour.study, tour.home, path)
    return path.as_uri()


def luminance(colour: str) -> float:
    """How light a colour is, from 0 to 1 (WCAG 2.2, relative luminance)."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: str, paper: str) -> float:
    low, high = sorted((luminance(ink), luminance(paper)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_report_can_be_read_anywhere(
    report: str, browser: Any, size: tuple[int, int], scheme: str
) -> None:
    tab = Tab.open(browser, report, size, scheme)
    figures = tab.page.locator("[data-figure]")
    figures.first.locator(".main-svg").first.wait_for()
    assert figures.count() >= 3
    for figure in figures.all():
        assert figure.locator(".trace, .bars path").count() > 0
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    seen = tab.page.evaluate(COLOURS)
    faint = [text for text, ink, paper in seen if contrast(ink, paper) < LEAST_CONTRAST]
    assert len(seen) > 50
    assert faint == []
    paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(paper) > 0.5) == (scheme == "light")
    assert tab.complaints == []
    assert tab.requests == [report]
    tab.page.close()


@pytest.fixture(scope="module")
def ui(tour: Tour, browser: Any) -> Iterator[str]:
    """The address of the study's runs in the MLflow UI."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["ui", "--study", "tour", "--no-browser", "--port", str(port), "--home", str(tour.home)]
    command = [sys.executable, "-m", "automl_tf", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[2]
        server.terminate()


@pytest.mark.browser
def test_mlflows_page_nests_the_trials_and_draws_their_curves(
    tour: Tour, ui: str, browser: Any
) -> None:
    tab = Tab.open(browser, ui, LAPTOP, "light")
    study = tab.page.get_by_role("row").filter(has_text="tour")
    study.first.wait_for()
    trials = tab.page.get_by_role("link", name=re.compile(r"^trial \d"))
    assert trials.count() == 0
    study.get_by_role("button").first.click()
    trials.first.wait_for()
    named = {int(link.inner_text().split()[1]): link.get_attribute("href") for link in trials.all()}
    runs = {trial["number"]: trial["mlflow_run_id"] for trial in tour.board["trials"]}
    assert {number: href.rsplit("/", 1)[-1] for number, href in named.items()} == runs
    best = tour.board["best"][0]
    tab.page.goto(f"{ui.partition('#')[0]}{named[best]}/model-metrics")
    tab.page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    tab.page.get_by_placeholder("Search metric charts").fill("train_loss")
    tab.page.get_by_text("train_loss", exact=True).first.wait_for()
    tab.page.locator(".js-plotly-plot .scatterlayer .point").first.wait_for(state="attached")
    # MLflow's own scripts and its request for a user that a server without accounts has not.
    own = ("/static-files/", "/users/current")
    assert [told for told in tab.complaints if not any(part in told[1] for part in own)] == []
    tab.page.close()
