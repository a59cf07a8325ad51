"""Hooks of mkdocs: the plots of benchmarks lie beside the results, outside of the pages."""

from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
IN_THE_REPOSITORY, ON_THE_SITE = "../benchmarks/results/", "results/"


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401 - mkdocs' types
    """Adds the plots to the files of the site."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - mkdocs alone needs it

    for plot in sorted(RESULTS.glob("*.png")):
        name = ON_THE_SITE + plot.name
        files.append(File.generated(config, name, abs_src_path=str(plot)))
    return files


def on_page_markdown(markdown: str, **_given: Any) -> str:  # noqa: ANN401 - mkdocs' types
    """Lets the pages point to where the plots are on the site."""
    return markdown.replace(IN_THE_REPOSITORY, ON_THE_SITE)
