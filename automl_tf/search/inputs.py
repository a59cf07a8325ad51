"""The files of a study as its workers read them, in processes of their own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl_tf.config.base import is_pipe
from automl_tf.config.study import Study
from automl_tf.data.pipes import keep_pipes
from automl_tf.home import HomeDirectory


@dataclass(frozen=True)
class StudyInputs:
    """A study and the words of the command line that read it again.

    Attributes:
        study: The study.
        file: Its file.
        overrides: ``KEY=VALUE`` words beside the file.
    """

    study: Study
    file: Path
    overrides: Sequence[str]


def keep_inputs(read: StudyInputs, home: Path) -> StudyInputs:
    """The same inputs, with copies below the home directory of all that came through pipes.

    A pipe, such as ``<(sed s/NAME/x/ study.yaml)`` of a shell, can be read only once.

    Args:
        read: What was read.
        home: The home directory.

    Raises:
        UserError: If the corpus stands in a pipe that cannot be read.
    """
    config = read.study.config
    corpus = keep_pipes(config.corpus, HomeDirectory(home).cache)
    if corpus is config.corpus and not any(map(is_pipe, (read.file, config.space))):
        return read
    folder = home / "piped" / config.name
    folder.mkdir(parents=True, exist_ok=True)
    space = config.space
    if is_pipe(space):
        domains = {
            name: domain.model_dump(mode="json", exclude_none=True)
            for name, domain in read.study.space.domains.items()
        }
        space = _write(folder / "space.yaml", domains)
    config = config.model_copy(update={"corpus": corpus, "space": space})
    settings = config.model_dump(mode="json", exclude_unset=True)
    file = _write(folder / "study.yaml", settings)
    return StudyInputs(replace(read.study, config=config), file, ())


def _write(path: Path, content: dict[str, Any]) -> Path:
    """Writes JSON, which is YAML, in one step: a worker may be reading what was there."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=2))
    return unfinished.replace(path)
