"""Where a confirmation round can be asked for."""

import pytest
from pydantic import ValidationError

from automl_tf.config.study import Confirm, StudyConfig

GIVEN = {"name": "made", "space": "space.yaml", "corpus": {"kind": "synthetic"}}


def test_it_is_off_unless_asked_for() -> None:
    assert StudyConfig.model_validate(GIVEN).confirm is None
    assert StudyConfig.model_validate({**GIVEN, "confirm": {}}).confirm == Confirm()


def test_several_objectives_have_no_single_winner() -> None:
    several = {**GIVEN, "objectives": ["bleu", "latency"], "confirm": {}}
    with pytest.raises(ValidationError, match="Leave confirm out"):
        StudyConfig.model_validate(several)


def test_one_seed_says_nothing_of_seeds() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        StudyConfig.model_validate({**GIVEN, "confirm": {"seeds": 1}})
