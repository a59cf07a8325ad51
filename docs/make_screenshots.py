"""Takes the pictures of docs/screenshots from a finished study, as a browser shows it.

    automl-tf search studies/quickstart.yaml
    python docs/make_screenshots.py quickstart --home runs

It needs the browser tests' playwright, with Debian's Chromium or its own.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parent / "screenshots"
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
LONGEST_WAIT_MS = 30_000


def main() -> None:
    """Takes them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="name of a finished study")
    parser.add_argument("--home", default="runs", help="its home directory")
    parser.add_argument("--port", default="5179", help="a free port for the MLflow UI")
    given = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        with _report(given.study, given.home) as page:
            _shoot_report(browser, page)
        with _mlflow(given.study, given.home, given.port) as address:
            _shoot_mlflow(browser, address, given.study)
        browser.close()


@contextmanager
def _report(study: str, home: str) -> Iterator[str]:
    """The address of the study's report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        subprocess.run([*_program("report", study, home), "-o", str(path)], check=True)  # noqa: S603
        yield path.as_uri()


@contextmanager
def _mlflow(study: str, home: str, port: str) -> Iterator[str]:
    """The address of the study in a running MLflow UI."""
    command = [*_program("ui", "--study", study, home), "--no-browser", "--port", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout is not None
        yield server.stdout.readline().split()[2]
        server.terminate()


def _program(*words: str) -> list[str]:
    *words, home = words
    return [sys.executable, "-m", "automl_tf", *words, "--home", home]


def _shoot_report(browser: Browser, address: str) -> None:
    for name, size, scheme, section in (
        ("report", LAPTOP, "light", "result"),
        ("report-curves", LAPTOP, "light", "curves"),
        ("report-phone", PHONE, "dark", "curves"),
    ):
        page = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(address)
        page.locator("[data-figure] .main-svg").first.wait_for()
        page.locator(f"#{section}").evaluate("part => scrollTo(0, part.offsetTop - 16)")
        _shoot(page, name)


def _shoot_mlflow(browser: Browser, address: str, study: str) -> None:
    page = browser.new_page(viewport=LAPTOP)  # type: ignore[arg-type]
    page.set_default_timeout(LONGEST_WAIT_MS)
    page.goto(address)
    page.get_by_role("row").filter(has_text=study).get_by_role("button").first.click()
    trial = page.get_by_role("link", name="trial ").first
    trial.wait_for()
    _close_assistant(page)
    page.screenshot(path=FOLDER / "mlflow.png")
    best = max(page.get_by_role("link", name="trial ").all(), key=_bleu)
    page.goto(f"{address.partition('#')[0]}{best.get_attribute('href')}/model-metrics")
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    _close_assistant(page)
    _shoot(page, "mlflow-trial")


def _bleu(trial: object) -> float:
    """The score at the end of a run's name, as in ``trial 7 · d256 h4 3+3 · 31.4``."""
    last = trial.inner_text().split(" · ")[-1]  # type: ignore[attr-defined]
    return float(last) if "+" not in last else 0.0


def _close_assistant(page: Page) -> None:
    """Closes the panel that MLflow opens beside its pages, if it is open."""
    for button in page.locator(
        "[data-component-id*='assistant'][data-component-id*='close']"
    ).all():
        button.click()
    page.wait_for_timeout(1500)


def _shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(1000)  # what fades in has done so
    page.screenshot(path=FOLDER / f"{name}.png")
    page.close()


if __name__ == "__main__":
    main()
