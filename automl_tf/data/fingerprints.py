"""Telling without reading whether the files of a corpus are the ones that were read before.

Like git's index: a file is taken for unchanged while its size, inode, and times of modification
and of change of status are the same. Programs can set back the first of these times, not the
second. A file that was touched just before it was read could change once more under the same
times, since clocks of file systems tick slowly; such a reading is not remembered.
"""

import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_tf.config.settings import Corpus, FilesCorpus, HubCorpus, SyntheticCorpus
from automl_tf.data.cache import digest
from automl_tf.data.readers.folders import files_below

RACY_SECONDS = 2.0
"""How long a file must have rested before its reading is remembered."""
_FORMAT = 1
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stamps:
    """The state of everything that decides the text of a corpus.

    Attributes:
        name: Digest of the configuration and the state of its files.
        settled: Whether every file had rested for a while, so that a later change must show.
    """

    name: str
    settled: bool

    @classmethod
    def of(cls, config: Corpus) -> "Stamps":
        """The present state of a corpus; a missing file is a state as well."""
        now = time.time()
        states: list[Any] = []
        newest = 0.0
        for path in _files(config):
            try:
                state = path.stat()
            except OSError:
                states.append([str(path), None])
                continue
            times = (state.st_mtime_ns, state.st_ctime_ns)
            states.append([str(path), state.st_size, state.st_ino, *times])
            newest = max(newest, *(nanoseconds / 1e9 for nanoseconds in times))
            if not stat.S_ISREG(state.st_mode):
                newest = now  # what comes out of a pipe changes with each reading
        name = digest([_FORMAT, config.model_dump(mode="json"), states])
        return cls(name, now - newest > RACY_SECONDS)


def recall(stamps: Stamps, cache_dir: Path) -> str | None:
    """The fingerprint of the corpus when it was read in this state, if it was."""
    try:
        text = _path(stamps, cache_dir).read_text()
    except (OSError, ValueError):
        return None
    return text if _FINGERPRINT.fullmatch(text) else None


def remember(stamps: Stamps, config: Corpus, fingerprint: str, cache_dir: Path) -> None:
    """Notes the fingerprint of a corpus that has just been read.

    Args:
        stamps: The state before it was read.
        config: The corpus.
        fingerprint: What was read.
        cache_dir: Folder of the notes.
    """
    if not stamps.settled or Stamps.of(config).name != stamps.name:
        return
    path = _path(stamps, cache_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(fingerprint)
    unfinished.replace(path)


def _path(stamps: Stamps, cache_dir: Path) -> Path:
    return cache_dir / "fingerprints" / stamps.name


def _files(config: Corpus) -> list[Path]:
    match config:
        case SyntheticCorpus():
            # The grammar is code of this package, which changes with its versions.
            return sorted(Path(__file__).parent.glob("**/*.py"))
        case HubCorpus():
            folder = Path(config.name)
            return files_below(folder) if folder.is_dir() else []
        case FilesCorpus():
            splits = [config.train, config.validation, *([config.test] if config.test else [])]
            paths = [path for s in splits for path in (s.source, s.target, s.table)]
            return [path for path in paths if path is not None]
