"""One prediction by its id, and how far the labels have come."""

import pytest

from shared.errors import InvalidInput
from shared.feature_log.lookup import find_prediction
from shared.feature_log.watermark import label_watermark
from tests.unit.shared.feature_log.small_log import MODEL, Log, hours, key


def test_the_champions_first_answer_is_found_with_its_features(log: Log) -> None:
    log.predict(1, hours(2), repeat=True)
    log.predict(1, hours(1), role="shadow")
    log.predict(1, hours(3), row=1)
    log.predict(1, hours(4), wind=None)
    row = find_prediction(log.tables, MODEL, key(1), 0)
    assert (row["event_time"], row["role"], row["repeat"]) == (hours(4), "champion", False)
    assert (row["wind"], row["origin"], row["scores"]) == (None, "EWR", [0.25])


def test_an_unknown_id_is_said(log: Log) -> None:
    with pytest.raises(InvalidInput, match="request_id"):
        find_prediction(log.tables, MODEL, key(1))
    log.predict(2, hours(1))
    with pytest.raises(InvalidInput, match="request_id"):
        find_prediction(log.tables, MODEL, key(1))


def test_the_label_watermark_is_the_highest_event_time_of_labels(log: Log) -> None:
    assert label_watermark(log.tables, MODEL) is None
    log.label(1, hours(900), 1.0, kind="business")
    assert label_watermark(log.tables, MODEL) is None
    log.label(1, hours(30), 1.0)
    log.label(2, hours(30.000001), 1.0)
    log.label(3, hours(5), 1.0)
    assert label_watermark(log.tables, MODEL) == hours(30.000001)
