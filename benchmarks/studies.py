"""Small studies, written for a benchmark into a folder of its own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_tf.config.settings import Corpus, FilesCorpus
from automl_tf.data.corpora import load_corpus
from contest import CACHE, trial_config

NAME = "benchmark"


def cut_corpus(study: Path, folder: Path, train: float, validation: float) -> FilesCorpus:
    """The first sentences of a study's corpus, as files.

    Args:
        study: The study file.
        folder: Where the files are written.
        train: Share of the training pairs, from 0 to 1.
        validation: Share of the validation pairs, from 0 to 1.
    """
    config = trial_config(study).corpus
    whole = load_corpus(config, CACHE)
    splits: dict[str, dict[str, str]] = {}
    for split, table, share in (
        ("train", whole.train, train),
        ("validation", whole.validation, validation),
    ):
        for side, texts in (("source", table.sources()), ("target", table.targets())):
            lines = texts[: max(1, round(share * len(table)))]
            path = folder / f"{split}.{side}"
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            splits.setdefault(split, {})[side] = str(path)
    return FilesCorpus.model_validate(
        {
            "kind": "files",
            "source_lang": config.source_lang,
            "target_lang": config.target_lang,
            **splits,
        }
    )


def write_study(
    folder: Path,
    corpus: Corpus,
    space: Mapping[str, Mapping[str, Any]],
    fixed: Mapping[str, Any],
    start_with: Sequence[Mapping[str, Any]],
) -> Path:
    """Writes a study of given configurations, none of which is pruned.

    Args:
        folder: Where its two files are written.
        corpus: What is trained on.
        space: Domain of each setting that differs between the configurations.
        fixed: The other settings.
        start_with: The configurations.
    """
    space_file, study_file = folder / "space.yaml", folder / "study.yaml"
    # All JSON is YAML.
    space_file.write_text(json.dumps(space))
    study_file.write_text(
        json.dumps(
            {
                "name": NAME,
                "space": str(space_file),
                "corpus": corpus.model_dump(mode="json", exclude_none=True),
                "fixed": fixed,
                "start_with": start_with,
                "start_with_base": False,
                "sampler": {"kind": "tpe"},
                "pruner": {"kind": "none"},
                "budget": {"trials": len(start_with)},
            }
        )
    )
    return study_file
