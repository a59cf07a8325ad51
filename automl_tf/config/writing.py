"""Writing configurations as YAML that ``reading`` reads back unchanged."""

import io
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from automl_tf.config.settings import GROUPS, TrialConfig


def to_yaml(
    config: TrialConfig,
    notes: Mapping[str, str] | None = None,
    header: str = "",
    extra: Mapping[str, Any] | None = None,
) -> str:
    """A configuration as YAML, every setting with its value.

    Args:
        config: The configuration.
        notes: Comments by dotted path, put behind the value.
        header: Comment above everything.
        extra: Further top-level keys, after the settings.
    """
    notes = notes or {}
    tree = CommentedMap()
    tree["corpus"] = _mapping(config.corpus, "corpus", notes)
    for group in GROUPS:
        tree[group] = _mapping(getattr(config, group), group, notes)
    tree["seed"] = config.seed
    if "seed" in notes:
        tree.yaml_add_eol_comment(notes["seed"], "seed")
    for key, value in (extra or {}).items():
        tree[key] = value
    if header:
        tree.yaml_set_start_comment(header)
    buffer = io.StringIO()
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 1000
    yaml.dump(tree, buffer)
    return buffer.getvalue()


def _mapping(settings: BaseModel, prefix: str, notes: Mapping[str, str]) -> CommentedMap:
    given = settings.model_dump(mode="json", exclude_none=True)
    tree = CommentedMap()
    for name, field in type(settings).model_fields.items():
        # Reading puts the default where nothing is written: a null is left out only if it is one.
        if name in given or field.default is not None:
            tree[name] = given.get(name)
            note = notes.get(f"{prefix}.{name}")
            if note:
                tree.yaml_add_eol_comment(note, name)
    return tree
