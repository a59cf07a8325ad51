"""Corpora from pipes, such as ``<(zcat train.en.gz)`` of a shell: read once, and kept."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from automl_tf.config.base import is_pipe
from automl_tf.config.settings import Corpus, FilesCorpus, SplitFiles
from automl_tf.errors import Place, UserError, disk_is_full

_PARTS = ("source", "target", "table")


def keep_pipes(corpus: Corpus, cache_dir: Path) -> Corpus:
    """The corpus with copies in the cache in the place of pipes; itself if it has none.

    Args:
        corpus: The corpus.
        cache_dir: Folder of the cache. Copies are named by their content, so that the same text
            is kept once.

    Raises:
        UserError: If a pipe cannot be read.
    """
    if not isinstance(corpus, FilesCorpus):
        return corpus
    kept: dict[Path, Path] = {}
    changed = {}
    for split in ("train", "validation", "test"):
        files: SplitFiles | None = getattr(corpus, split)
        paths = {} if files is None else {name: getattr(files, name) for name in _PARTS}
        pipes = {name: path for name, path in paths.items() if path and is_pipe(path)}
        for name, path in pipes.items():
            if path not in kept:
                kept[path] = _copy(path, cache_dir / "piped", f"corpus.{split}.{name}")
        if files is not None and pipes:
            copies = {name: kept[path] for name, path in pipes.items()}
            changed[split] = files.model_copy(update=copies)
    return corpus.model_copy(update=changed) if changed else corpus


def _copy(pipe: Path, folder: Path, key: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        unfinished = Path(scratch, "copy")
        try:
            with pipe.open("rb") as file, unfinished.open("w+b") as copy:
                shutil.copyfileobj(file, copy)
                copy.seek(0)
                checksum = hashlib.file_digest(copy, "sha256").hexdigest()
        except OSError as error:
            if disk_is_full(error):
                raise
            raise UserError(
                f"{pipe} cannot be read: {error.strerror}.",
                "Check the command that writes into the pipe, or give a file.",
                Place(pipe, key=key),
            ) from None
        # The name of a pipe may tell what comes out of it.
        return unfinished.replace(folder / f"{checksum}-{pipe.name}")
