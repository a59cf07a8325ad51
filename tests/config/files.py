"""Study, space and export files as a person would write them, to be broken line by line."""

from pathlib import Path

SPACE = """\
model.d_model: {choices: [64, 128]}
model.num_heads: {choices: [2, 4]}
model.dropout: {low: 0, high: 0.5, step: 0.1}
training.learning_rate: {low: 1e-4, high: 1e-2, log: true}
"""

STUDY = """\
name: made
space: space.yaml
corpus: {kind: synthetic}
"""

EXPORT = """\
corpus: {kind: synthetic}
model:
  d_model: 64
  num_heads: 4
training:
  max_steps: 600
"""


def write_study(folder: Path, more: str = "", space: str = SPACE, start: str = STUDY) -> Path:
    """Writes a study and its space; returns the study's path."""
    (folder / "space.yaml").write_text(space, encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(start + more, encoding="utf-8")
    return path


def write_export(folder: Path, text: str = EXPORT) -> Path:
    """Writes an export; returns its path."""
    path = folder / "best.yaml"
    path.write_text(text, encoding="utf-8")
    return path
