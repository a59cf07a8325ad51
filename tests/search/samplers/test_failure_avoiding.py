"""Known failures are not proposed again."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from automl_tf.config.space import Choices, Range, Space
from automl_tf.config.study import StudyConfig
from automl_tf.search.samplers.build import build_sampler, distribution

SPACE = Space(
    {
        "model.d_model": Choices(choices=(64, 128)),
        "model.encoder_layers": Range(low=1, high=2, step=1),
    }
)
ALL = [{"model.d_model": d, "model.encoder_layers": n} for d in (64, 128) for n in (1, 2)]


def sampler(kind: str) -> Any:
    given = {"name": "made", "space": "space.yaml", "corpus": {"kind": "synthetic"}}
    return StudyConfig.model_validate({**given, "sampler": {"kind": kind}}).sampler


def proposals(kind: str, failed: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """What is proposed beside some finished trials."""
    study = optuna.create_study(direction="maximize")
    domains = {name: distribution(domain) for name, domain in SPACE.domains.items()}
    for params in ALL:
        state = TrialState.FAIL if params in failed else TrialState.COMPLETE
        value = None if params in failed else 20.0
        study.add_trial(
            create_trial(params=params, distributions=domains, value=value, state=state)
        )
    made = []
    for number in range(count):
        study.sampler = build_sampler(sampler(kind), SPACE, 1, 4 + number, failed)
        trial = study.ask(domains)
        made.append(trial.params)
        study.tell(trial, 20.0 + number)
    return made


@pytest.mark.parametrize("kind", ["tpe", "gp", "cmaes", "nsgaii"])
def test_samplers_that_learn_keep_off_what_failed(kind: str) -> None:
    assert all(params == ALL[3] for params in proposals(kind, ALL[:3], 4))


@pytest.mark.parametrize("kind", ["tpe", "cmaes"])
def test_a_space_where_all_failed_is_no_trap(kind: str) -> None:
    assert all(params in ALL for params in proposals(kind, ALL, 2))


def test_what_depends_on_the_number_alone_stays() -> None:
    assert proposals("random", [], 6) == proposals("random", ALL[:1], 6)
