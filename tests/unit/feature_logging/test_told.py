"""When predictions were made, as ids and labels tell."""

from services.feature_logging.domain.pairs import Label
from services.feature_logging.domain.told import times_told
from shared.batch import request_key
from tests.unit.feature_logging.pairing import at, uuid7
from tests.unit.feature_logging.samples import MODEL

MINUTE = 60_000_000
START = int(at(0).timestamp()) * 1_000_000


def label(name: str, told: int | None = None) -> Label:
    return Label(request_key(MODEL, name), 0, False, 1.0, START, told, START, 0, 0, 0)


def test_ids_of_version_7_and_labels_tell_times_and_other_ids_none() -> None:
    other = uuid7(2).replace("-7", "-4")
    labels = [label(uuid7(1, at(5))), label("order"), label(other), label(uuid7(1, at(5)), START), label("told", 7)]
    assert times_told(labels) == {
        request_key(MODEL, uuid7(1, at(5))): {START, START + 5 * MINUTE},
        request_key(MODEL, "order"): set(),
        request_key(MODEL, other): set(),
        request_key(MODEL, "told"): {7},
    }
    assert times_told([]) == {}
