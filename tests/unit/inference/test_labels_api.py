"""`POST /v1/models/{model}/labels`: accepted means that Kafka has them."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from services.inference.domain.labels import events, read_labels
from shared.errors import InvalidInput
from shared.events import LabelsReceived
from shared.kafka.message import OutMessage
from tests.bundles import as_read
from tests.unit.inference.harness import Service

LABELS = "/v1/models/small/labels"
NOW = datetime(2013, 3, 15, 18, 10, tzinfo=UTC)


def label(number: int, **changed: Any) -> dict[str, Any]:
    return {"request_id": f"r-{number}", "value": 1.0, "event_time": f"2013-03-15T18:00:{number % 60:02}Z"} | changed


def received(messages: list[OutMessage]) -> list[LabelsReceived]:
    return [LabelsReceived.model_validate_json(as_read(message).value or b"") for message in messages]


async def test_labels_are_accepted_once_kafka_has_them(service: Service) -> None:
    answer = await service.client.post(LABELS, json=[label(1), label(2, kind="business", row=3)])
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2})
    (message,) = service.kafka.messages
    assert (message.topic, message.key) == ("driftline.labels", None)
    (event,) = received(service.kafka.messages)
    assert [(each.request_id, each.row, each.kind) for each in event.labels] == [
        ("r-1", 0, "label"),
        ("r-2", 3, "business"),
    ]
    assert event.time.isoformat() == "2013-03-15T18:00:02+00:00"


async def test_posts_that_come_together_share_an_event(service: Service) -> None:
    answers = await asyncio.gather(*(service.client.post(LABELS, json=[label(n)]) for n in range(40)))
    assert {answer.status_code for answer in answers} == {202}
    found = received(service.kafka.messages)
    assert len(found) < 20
    assert sorted(each.request_id for event in found for each in event.labels) == sorted(f"r-{n}" for n in range(40))


async def test_many_labels_go_in_events_of_a_thousand(service: Service) -> None:
    answer = await service.client.post(LABELS, json=[label(n) for n in range(2_500)])
    assert answer.json() == {"accepted": 2_500}
    assert [len(event.labels) for event in received(service.kafka.messages)] == [1_000, 1_000, 500]


def days(number: int) -> list[dict[str, Any]]:
    return [label(n, event_time=f"2013-{1 + n // 28:02}-{1 + n % 28:02}T00:00:00Z") for n in range(number)]


async def test_a_post_is_of_at_most_31_days(service: Service) -> None:
    assert (
        await service.client.post(LABELS, json=[*days(31), label(99, event_time="2013-01-01T23:59:59Z")])
    ).is_success
    answer = await service.client.post(LABELS, json=[*days(31), *days(40)])
    expected = "labels of at most 31 different days (UTC) in one post; send several"
    told = {"error": {"field": "labels[62].event_time", "expected": expected}}
    assert (answer.status_code, answer.json()) == (400, told)


def test_an_event_of_posts_that_came_together_is_of_at_most_31_days() -> None:
    posts = [read_labels(json.dumps(some).encode(), "binary", NOW) for some in (days(31), days(60)[31:], days(5))]
    found = list(events("small", [item for some in posts for item in some]))
    assert [len(event.labels) for event in found] == [31, 31, 3]


async def test_the_same_labels_give_the_same_event_id_and_others_another(service: Service) -> None:
    for value in (1.0, 1.0, 0.0):
        await service.client.post(LABELS, json=[label(1, value=value)])
    first, again, other = (event.id for event in received(service.kafka.messages))
    assert first == again != other


def test_an_event_fits_into_a_kafka_message_however_long_its_ids_are() -> None:
    long = '"' + "\\u0000" * 256 + '"'  # each takes six bytes in JSON
    body = "[" + ",".join(
        f'{{"request_id": {long}, "value": 1, "event_time": "2013-03-15T18:00:00Z", "row": {row}}}'
        for row in range(999)
    )
    found = list(events("small", read_labels(body.encode() + b"]", "binary", NOW)))
    assert sum(len(event.labels) for event in found) == 999
    assert max(len(event.model_dump_json()) for event in found) < 1_000_000


async def test_when_kafka_refuses_the_client_is_told_to_come_again(service: Service) -> None:
    service.kafka.error = KafkaConnectionError()
    answer = await service.client.post(LABELS, json=[label(1)])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json() == {"error": {"field": "labels", "expected": "Kafka has not confirmed the labels"}}
    service.kafka.error = None
    assert (await service.client.post(LABELS, json=[label(1)])).status_code == 202


@pytest.mark.parametrize("label_patience", [4.0])
async def test_when_kafka_does_not_answer_the_client_is_not_kept_waiting(service: Service) -> None:
    gone = asyncio.Event()
    service.kafka.hold = gone
    first = await service.client.post(LABELS, json=[label(1)])
    waiting = [service.client.post(LABELS, json=[label(n) for n in range(900)]) for _ in range(5)]
    answers = await asyncio.gather(*waiting)  # the bound is 3,000: some wait in vain, the others need not wait
    assert {answer.status_code for answer in (first, *answers)} == {503}
    gone.set()
    service.kafka.hold = None
    assert (await service.client.post(LABELS, json=[label(1)])).status_code == 202
    assert max(len(event.labels) for event in received(service.kafka.messages)) == 1  # what was refused was let go


async def test_only_clients_may_post_labels(service: Service, state: Any) -> None:
    for token, status in (("viewer", 403), ("client", 202)):
        headers = {"Authorization": f"Bearer {(state / 'tokens' / f'{token}.jwt').read_text()}"}
        assert (await service.client.post(LABELS, json=[label(1)], headers=headers)).status_code == status
    assert (await service.client.post(LABELS, json=[label(1)], headers={"Authorization": ""})).status_code == 401


async def test_a_business_outcome_may_be_any_finite_number(service: Service) -> None:
    answer = await service.client.post(LABELS, json=[label(1, kind="business", value=-1000)])
    assert answer.status_code == 202


def test_a_label_of_a_regression_may_be_any_finite_number() -> None:
    body = json.dumps([label(1, value=-1000.5)]).encode()
    assert read_labels(body, "regression", NOW)[0].value == -1000.5
    with pytest.raises(InvalidInput, match="binary"):
        read_labels(body, "binary", NOW)


def test_a_label_may_be_five_minutes_ahead_of_the_clock_and_no_more() -> None:
    assert read_labels(json.dumps([label(1, event_time="2013-03-15T18:15:00Z")]).encode(), "binary", NOW)
    with pytest.raises(InvalidInput, match=r"labels\[0\].event_time: .* 5 minutes ahead of now"):
        read_labels(json.dumps([label(1, event_time="2013-03-15T18:15:00.000001Z")]).encode(), "binary", NOW)
