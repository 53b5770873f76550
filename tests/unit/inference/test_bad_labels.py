"""Labels that can't be are refused with the path of what is wrong."""

import json
from typing import Any

import pytest

from tests.unit.inference.harness import Service
from tests.unit.inference.test_bad_input import LABELS, encoded

LABEL = {"request_id": "r1", "value": 1.0, "event_time": "2013-03-15T18:00:00Z"}
LABEL_BODIES: list[tuple[Any, str]] = [
    (b"", "body"),
    (b"nonsense", "body"),
    ({}, "body"),
    ([], "labels"),
    ([1], "labels[0]"),
    ([LABEL, {"value": 1.0, "event_time": "2013-03-15T18:00:00Z"}], "labels[1].request_id"),
    ([LABEL, LABEL, LABEL, LABEL | {"value": "1"}], "labels[3].value"),
    ([LABEL | {"value": True}], "labels[0].value"),
    ([LABEL | {"value": None}], "labels[0].value"),
    ([LABEL | {"value": float("nan")}], "labels[0].value"),
    ([LABEL | {"value": float("inf")}], "labels[0].value"),
    (json.dumps([LABEL | {"value": 77777}]).replace("77777", "1e400").encode(), "labels[0].value"),
    ([LABEL | {"row": -1}], "labels[0].row"),
    ([LABEL | {"row": 1.5}], "labels[0].row"),
    ([LABEL | {"row": 2**31}], "labels[0].row"),
    ([LABEL | {"request_id": ""}], "labels[0].request_id"),
    ([LABEL | {"request_id": 5}], "labels[0].request_id"),
    ([LABEL | {"request_id": "x" * 257}], "labels[0].request_id"),
    (json.dumps([LABEL | {"request_id": "\ud800"}]).encode(), "body"),
    ([LABEL | {"event_time": 1363363200}], "labels[0].event_time"),
    ([LABEL | {"event_time": "2013-03-15"}], "labels[0].event_time"),
    ([LABEL | {"event_time": "2013-03-15T18:00:00"}], "labels[0].event_time"),
    ([LABEL, LABEL | {"value": -1000}], "labels[1].value"),
    ([LABEL | {"value": 2}], "labels[0].value"),
    ([LABEL | {"value": 0.5}], "labels[0].value"),
    ([LABEL, LABEL | {"event_time": "9999-12-31T00:00:00Z"}], "labels[1].event_time"),
    ([LABEL | {"event_time": "1969-12-31T23:59:59Z"}], "labels[0].event_time"),
    ([LABEL | {"kind": "business", "event_time": "9999-12-31T00:00:00Z"}], "labels[0].event_time"),
    ([LABEL | {"prediction_time": "soon"}], "labels[0].prediction_time"),
    ([LABEL | {"prediction_time": "9999-12-31T00:00:00Z"}], "labels[0].prediction_time"),
    ([LABEL | {"prediction_time": "2013-03-15T18:00:01Z"}], "labels[0].event_time"),
    ([LABEL | {"kind": "gossip"}], "labels[0].kind"),
    ([LABEL | {"colour": "red"}], "labels[0].colour"),
]


@pytest.mark.parametrize(
    ("body", "named"), LABEL_BODIES, ids=[f"{n}-{named}" for n, (_, named) in enumerate(LABEL_BODIES)]
)
async def test_labels_name_what_is_wrong(service: Service, body: Any, named: str) -> None:
    answer = await service.client.post(LABELS, content=encoded(body))
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["field"] == named
    assert service.kafka.messages == []
