"""What the registry believes of a bundle, and what it shows of its evaluation."""

from dataclasses import replace

import pytest

from services.governance.domain.registry import challenger, registered
from shared.bundle import Bundle, open_bundle
from shared.errors import InvalidInput
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import EVALUATED, START, evaluated


@pytest.fixture(scope="module")
def made(bundles: Bundles) -> Bundle:
    return open_bundle(bundles.state / "bundles", bundles.challenger, bundles.state / "trust")


def test_by_hand_its_time_is_the_end_of_its_data(made: Bundle) -> None:
    version = registered(made, "olive")
    assert (version.time, version.registered_by, version.run_id) == (START, "olive", None)


def test_from_a_run_its_time_is_that_of_the_evaluation(made: Bundle) -> None:
    event = evaluated(made.digest)
    version = challenger(made, event)
    assert (version.time, version.registered_by) == (EVALUATED, "service:retrain_trigger")
    assert (version.run_id, version.incident_id) == (event.run_id, event.incident_id)


def test_its_metrics_are_those_of_the_evaluation_and_nothing_else(made: Bundle) -> None:
    assert registered(made, "olive").metrics == {"log_loss": 0.50, "brier": 0.2}


def test_an_evaluation_of_another_form_is_shown_by_its_numbers(made: Bundle) -> None:
    other = replace(made, evaluation={"auc": 0.7, "holdout": {"rows": 10}, "passed": True, "by": "hand"})
    version = registered(other, "olive")
    assert version.metrics == {"auc": 0.7, "holdout.rows": 10.0}
    assert version.facts == {"auc": 0.7, "holdout.rows": 10, "passed": True, "by": "hand"}


@pytest.mark.parametrize("evaluation", [{"auc": float("nan")}, {"auc": float("inf")}, {"auc": object()}])
def test_an_evaluation_that_json_cannot_hold_is_refused(made: Bundle, evaluation: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=r"evaluation\.json"):
        registered(replace(made, evaluation=evaluation), "olive")


def test_a_challenger_must_be_the_events_model_and_retrain_triggers_work(made: Bundle) -> None:
    with pytest.raises(InvalidInput, match="not of other"):
        challenger(made, evaluated(made.digest, model="other"))
    with pytest.raises(InvalidInput, match="signed by operator"):
        challenger(replace(made, signer="operator"), evaluated(made.digest))
