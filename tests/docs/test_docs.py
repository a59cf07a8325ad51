"""What the pages say holds: commands, files, links and names of settings."""

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from automl_tf.cli.main import app
from automl_tf.config.files import read_export, read_study
from automl_tf.config.settings import setting_types
from automl_tf.config.space import read_space
from automl_tf.config.study import StudyConfig
from automl_tf.config.yaml_io import read_yaml
from docs.make_settings import page

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
OPERATORS = re.compile(r"[|&;<>()]+")
COMMAND = typer.main.get_command(app)
FRAME = """\
name: frame
space: ../search_spaces/small.yaml
corpus: {kind: synthetic}
"""
"""What a part of a study file lacks."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, at the line of its first fence."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    lines = path.read_text(encoding="utf-8").splitlines()
    opened: int | None = None
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("```"):
            continue
        if opened is None:
            opened = number
            continue
        language = lines[opened].strip().removeprefix("```")
        yield Block(path, opened + 1, language, "\n".join(lines[opened + 1 : number]) + "\n")
        opened = None
    assert opened is None, f"{path.name}: a fence is left open"


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(
        r"^\s*```.*?^\s*```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def commands(text: str) -> Iterator[list[str]]:
    """The words behind ``automl-tf`` in every command of some shell lines."""
    for line in text.replace("\\\n", " ").splitlines():
        if "automl-tf " not in line:
            continue
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        simple: list[list[str]] = [[]]
        for token in lexer:
            if OPERATORS.fullmatch(token):
                simple.append([])
            else:
                simple[-1].append(token)
        for words in simple:
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words and Path(words[0]).name == "automl-tf":
                yield words[1:]


def spans(path: Path) -> list[str]:
    """Inline code that stands on one line, or is broken over two."""
    return [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose(path))]


ALL_BLOCKS = [block for path in PAGES for block in blocks(path)]
YAML_BLOCKS = [block for block in ALL_BLOCKS if block.language in ("yaml", "yml")]
FENCED = [(block, words) for block in ALL_BLOCKS for words in commands(block.text)]
INLINE = [(path.name, words) for path in PAGES for span in spans(path) for words in commands(span)]


@pytest.mark.parametrize(("block", "words"), FENCED, ids=str)
def test_commands_in_blocks_can_be_typed(block: Block, words: list[str]) -> None:
    name, *arguments = words
    subcommand = COMMAND.commands[name]
    if "--help" not in arguments:
        subcommand.make_context(name, arguments)


@pytest.mark.parametrize(("page_name", "words"), INLINE, ids=str)
def test_commands_in_the_text_exist(page_name: str, words: list[str]) -> None:
    if words[0].startswith("-"):
        return
    subcommand = COMMAND.commands[words[0]]
    known = {option for param in subcommand.params for option in param.opts + param.secondary_opts}
    given = [word.strip("[]…") for word in words[1:]]
    options = {word.partition("=")[0] for word in given if word.startswith("-")}
    assert options <= {*known, "--help"}


@pytest.mark.parametrize(("block", "words"), FENCED, ids=str)
def test_values_of_searches_fit_their_studies(block: Block, words: list[str]) -> None:
    studies = [ROOT / word for word in words if word.startswith("studies/")]
    pairs = itertools.pairwise(words)
    overrides = [value for option, value in pairs if option == "--set"]
    for study in studies:
        read_study(study, overrides)


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_yaml_is_read(block: Block, tmp_path: Path) -> None:
    (tmp_path / "search_spaces").symlink_to(ROOT / "search_spaces")
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "block.yaml"
    path.write_text(block.text, encoding="utf-8")
    keys = set(read_yaml(path).data)
    if keys <= set(setting_types()):
        read_space(path)
    elif "model" in keys:
        read_export(path)
    else:
        frame = [line for line in FRAME.splitlines() if line.partition(":")[0] not in keys]
        path.write_text("\n".join([*frame, block.text]), encoding="utf-8")
        read_study(path)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ +(.+)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_settings_and_files_that_are_named_exist(path: Path) -> None:
    for span in spans(path):
        if re.fullmatch(r"(model|training|data|decoding)\.[a-z_]+", span):
            assert span in setting_types() or span == "model.safetensors", span
        if re.fullmatch(r"(automl_tf|tests|search_spaces|docs)/[\w./-]+", span):
            assert (ROOT / span).exists(), span


def test_the_page_of_settings_is_up_to_date() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("name", [*StudyConfig.model_fields, *setting_types()])
def test_every_setting_has_a_row(name: str) -> None:
    assert f"\n| `{name}` |" in page()
