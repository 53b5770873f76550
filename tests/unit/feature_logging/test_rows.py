"""From messages to rows: every value arrives by name, and what breaks the contract is refused with its reason."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.feature_logging.domain import predictions
from services.feature_logging.domain.labels import label_rows
from services.feature_logging.domain.predictions import Message
from shared.batch import PredictionBatch, decode_batch, encode_batch, request_key
from shared.cloudevents import decode
from shared.errors import Unreadable
from shared.events import LabelsReceived
from shared.features import Rows
from tests.unit.feature_logging.samples import (
    CATEGORIES,
    DIGEST,
    MODEL,
    START,
    batch,
    definition,
    key,
    label_message,
    origin,
    prediction_rows,
    without_rows,
)


def test_a_batch_becomes_rows_with_its_features_by_name() -> None:
    rows = prediction_rows(batch(4), definition(), CATEGORIES, origin(9, 2)).to_pylist()
    assert rows[3] == {
        "request_id": key(3),
        "row": 0,
        "entity": "N3",
        "event_time": datetime(2013, 3, 1, 0, 3, tzinfo=UTC),
        "event_day": date(2013, 3, 1),
        "log_time": datetime(2013, 3, 2, 0, 0, 0, 123_000, tzinfo=UTC),
        "repeat": False,
        "role": "champion",
        "bundle_digest": DIGEST,
        "definition_digest": definition().digest,
        "scores": [0.25],
        "champion_scores": None,
        "latency_us": 150,
        "traceparent": None,
        "producer": "p",
        "sequence": 0,
        "rows_so_far": 4,
        "flags": None,
        "source_partition": 2,
        "source_offset": 9,
        "source_row": 3,
        "wind": 3.0,
        "origin": "JFK",
        "temp": None,
    }
    # Codes -2 (missing) and -1 (unseen) are null.
    assert [row["origin"] for row in rows] == [None, None, "EWR", "JFK"]
    assert [row["flags"] for row in rows] == [None, ["origin:unseen"], None, None]


def test_messages_become_the_same_rows_together_as_one_by_one() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    shadowed = np.full((2, 1), 0.5, np.float32)
    batches = [
        batch(4),
        replace(batch(2, 4, role="shadow"), scores=shadowed, champion_scores=shadowed, traceparent=[None, trace]),
    ]
    for some in (batches, [decode_batch(encode_batch(each)) for each in batches]):
        messages = [Message(each, origin(9 + number, 2)) for number, each in enumerate(some)]
        alone = [prediction_rows(each, definition(), CATEGORIES, at) for each, at, _ in messages]
        together = predictions.prediction_rows(messages, definition(), CATEGORIES)
        assert together.to_pylist() == pa.concat_tables(alone).to_pylist()
        assert together.column("role").to_pylist() == ["champion"] * 4 + ["shadow"] * 2


def widths(numeric: int, categorical: int, dtype: type = np.float32) -> dict[str, Any]:
    return {"rows": Rows(np.zeros((3, numeric), dtype), np.zeros((3, categorical), np.int32))}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (widths(3, 1), "numeric must be 2 float32 per row, not 3 float32"),
        (widths(2, 1, np.float64), "numeric must be 2 float32 per row, not 2 float64"),
        (widths(2, 0), "categorical must be 1 int32 per row, not 0"),
        ({"rows": Rows(np.zeros((3, 2), np.float32), np.full((3, 1), 3, np.int32))}, "a code of origin is outside"),
        ({"rows": Rows(np.zeros((3, 2), np.float32), np.full((3, 1), -3, np.int32))}, "a code of origin is outside"),
        ({"scores": np.zeros((3, 0), np.float32)}, "scores must be 1 float32 per row, not 0 float32"),
        ({"scores": np.zeros((3, 2), np.float32)}, "scores must be 1 float32 per row, not 2 float32"),
        ({"scores": np.zeros((3, 1), np.float64)}, "scores must be 1 float32 per row, not 1 float64"),
    ],
)
def test_a_batch_that_does_not_fit_its_definition_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        prediction_rows(replace(batch(), **change), definition(), CATEGORIES, origin(0))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (batch(model="wine"), "its bundle is of model flights, not wine"),
        (batch(definition_digest="0" * 64), "definition_digest"),
        (without_rows(batch()), "no rows"),
    ],
)
def test_a_batch_of_another_model_or_without_rows_is_refused(bad: PredictionBatch, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        prediction_rows(bad, definition(), CATEGORIES, origin(0))


def test_labels_become_rows_under_the_key_of_their_prediction() -> None:
    message = label_message(4, count=2, partition=1)
    event = decode(message)
    assert isinstance(event, LabelsReceived)
    rows = label_rows(event, origin(4, 1))["labels"].to_pylist()
    assert rows[1] == {
        "request_id": request_key(MODEL, "r1"),
        "row": 0,
        "value": 1.0,
        "event_time": datetime(2013, 3, 1, 1, tzinfo=UTC),
        "event_day": date(2013, 3, 1),
        "prediction_time": None,
        "log_time": datetime(2013, 3, 2, 0, 0, 0, 123_000, tzinfo=UTC),
        "source_partition": 1,
        "source_offset": 4,
        "source_row": 1,
    }


def test_labels_and_business_outcomes_of_a_message_go_to_tables_of_their_own() -> None:
    event = decode(label_message(4, count=3))
    assert isinstance(event, LabelsReceived)
    business = event.labels[1].model_copy(update={"kind": "business", "value": 12.5})
    mixed = event.model_copy(update={"labels": (event.labels[0], business, event.labels[2])})
    rows = label_rows(mixed, origin(4, 1))
    assert rows["labels"]["source_row"].to_pylist() == [0, 2]
    assert (rows["business"]["source_row"].to_pylist(), rows["business"]["value"].to_pylist()) == ([1], [12.5])
    assert list(label_rows(event, origin(4, 1))) == ["labels"]


def test_labels_of_more_than_31_days_are_refused_and_named() -> None:
    event = decode(label_message(4, count=33))
    assert isinstance(event, LabelsReceived)

    def over(days: int) -> LabelsReceived:
        spread = (item.model_copy(update={"event_time": START - timedelta(n % days)}) for n, item in numbered)
        return event.model_copy(update={"labels": tuple(spread)})

    numbered = list(enumerate(event.labels))
    assert len(label_rows(over(31), origin(4))["labels"]) == 33
    with pytest.raises(Unreadable, match=r"labels\[31\]\.event_time: .* 31 different days"):
        label_rows(over(32), origin(4))


def test_a_shadows_rows_keep_what_the_champion_answered() -> None:
    shadow = replace(batch(role="shadow"), champion_scores=np.array([[0.1], [0.2], [0.5]], np.float32))
    rows = prediction_rows(shadow, definition(), CATEGORIES, origin(0))
    assert rows["champion_scores"].to_pylist() == [[np.float32(0.1)], [np.float32(0.2)], [0.5]]
