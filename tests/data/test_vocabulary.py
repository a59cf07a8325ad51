from pathlib import Path

import numpy as np
import pytest

from automl_tf.config.settings import DataConfig
from automl_tf.data.vocabulary import Vocabulary
from automl_tf.errors import UserError


@pytest.mark.parametrize("joint", [True, False])
def test_sizes_and_loading(*, joint: bool, pairs, tmp_path: Path) -> None:
    sources, targets = zip(*pairs(200), strict=True)
    data = DataConfig(vocab_size=200, joint_vocab=joint)
    trained = Vocabulary.train(sources, targets, data)
    used = np.unique(np.concatenate([np.array(i) for i in trained.target.encode_batch(targets)]))
    vocabulary, _ = trained.with_outputs_first(used)
    assert (vocabulary.source is vocabulary.target) == joint
    assert vocabulary.sizes.joint == joint
    assert vocabulary.sizes.source == len(vocabulary.source)
    assert vocabulary.sizes.outputs == len(used) + 4 < vocabulary.sizes.target
    vocabulary.save(tmp_path)
    loaded = Vocabulary.load(tmp_path)
    assert loaded.sizes == vocabulary.sizes
    assert (loaded.source is loaded.target) == joint
    assert loaded.source.encode_batch(sources) == vocabulary.source.encode_batch(sources)
    assert loaded.target.encode_batch(targets) == vocabulary.target.encode_batch(targets)


def test_a_folder_without_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"vocabulary\.json"):
        Vocabulary.load(tmp_path)
    (tmp_path / "vocabulary.json").write_text('{"joint": true}')
    with pytest.raises(UserError, match=r"subwords\.json"):
        Vocabulary.load(tmp_path)
