"""A trace goes on from a request to what comes of it, also without an SDK; a header that is none harms nobody."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.inference.api.core import Core
from services.inference.api.shadows import Shadows
from services.inference.api.tracing import TRACER, brought, spanning
from services.inference.domain.recent import RecentIds
from services.inference.domain.request import read_request
from services.inference.models.catalogue import Served
from services.inference.models.loaded import LoadedModel
from services.inference.store.accounting import Accounting
from shared.kafka.admin import DEAD_LETTERS
from shared.kafka.message import OutMessage
from tests.unit.inference.express_server import GOOD, PATH, running_server
from tests.unit.inference.harness import Service, inputs
from tests.unit.inference.test_labels_api import LABELS, label, received
from tests.unit.inference.test_topic import ONE, Topic

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-00"
WAYS = {
    "/v2/models/small/infer": {"inputs": inputs(rows=2)},
    "/v1/models/small/predict": {"rows": [{"temp": 50.0, "wind": 10.0, "carrier": "AA"}] * 2},
}


async def told(service: Service, headers: Iterable[tuple[str, str]], path: str = "/v2/models/small/infer") -> Any:
    """What the rows of one request say of its trace."""
    answer = await service.client.post(path, json=WAYS[path], headers=[*headers])
    assert answer.status_code == 200
    (batch,) = service.logged()
    return batch.traceparent


@pytest.mark.parametrize("path", WAYS)
async def test_the_rows_of_a_request_tell_the_trace_that_it_came_with(service: Service, path: str) -> None:
    assert await told(service, [("traceparent", TRACE), ("tracestate", "a=1")], path) == [TRACE] * 2


async def test_a_later_version_is_read_as_far_as_it_is_known(service: Service) -> None:
    assert await told(service, [("traceparent", f"01{TRACE[2:]}-more")]) == [TRACE] * 2


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("tracestate", "a=1")],
        [("traceparent", "")],
        [("traceparent", "x" * 5_000)],
        [("traceparent", TRACE.upper())],
        [("traceparent", f"ff{TRACE[2:]}")],
        [("traceparent", f"{TRACE}-more")],
        [("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01")],
        [("traceparent", f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01")],
        [("traceparent", TRACE), ("traceparent", OTHER)],
    ],
)
async def test_without_a_good_traceparent_rows_have_no_trace(service: Service, headers: list[tuple[str, str]]) -> None:
    assert await told(service, headers) is None


async def test_a_bad_tracestate_takes_nothing_from_the_trace(service: Service) -> None:
    assert await told(service, [("traceparent", TRACE), ("tracestate", "=,;\x7f")]) == [TRACE] * 2


async def test_requests_at_the_same_time_keep_their_traces_apart(service: Service) -> None:
    traces = {f"r-{n}": f"00-{n + 1:032x}-{n + 1:016x}-01" for n in range(20)}
    path = "/v2/models/block/infer"
    posts = (
        service.client.post(path, content=GOOD.replace(b'"one"', f'"{name}"'.encode()), headers={"traceparent": trace})
        for name, trace in traces.items()
    )
    assert {answer.json()["id"] for answer in await asyncio.gather(*posts)} == set(traces)
    assert sorted(trace or "" for batch in service.logged() for trace in batch.traceparent or ()) == sorted(
        traces.values()
    )


async def test_the_express_lane_logs_the_traces_of_requests_that_run_as_one(state: Path, block: LoadedModel) -> None:
    async with running_server(state, block) as server:
        request = server.post(GOOD, PATH, f"TraceParent: {TRACE}")
        ((status, _, _), _) = await server.ask(request, server.post(GOOD), answers=2)
        server.log.flush()
        assert status == 200
        assert server.traces() == [TRACE, None]


async def test_a_shadows_rows_tell_the_champions_trace(
    service: Service, small: LoadedModel, other_small: LoadedModel
) -> None:
    accounting = Accounting(service.log, lambda: False)
    shadows = Shadows(accounting, 1_000)
    core = Core(accounting, RecentIds(100), 256, shadows)
    served = Served(small, "champion", 1, shadow=Served(other_small, "shadow", 1))
    running = asyncio.create_task(shadows.run())
    request = read_request(orjson.dumps({"inputs": inputs()}))
    with spanning(TRACER, brought([("traceparent", TRACE)]), "test"):
        await core.answer(served, request, 0.0)
    async with asyncio.timeout(10):
        while len(service.logged()) < 2:  # noqa: ASYNC110  # nobody is told of it
            await asyncio.sleep(0.01)
    running.cancel()
    assert {batch.meta.role: batch.traceparent for batch in service.logged()} == {
        "champion": [TRACE],
        "shadow": [TRACE],
    }


def headers(message: OutMessage) -> dict[str, str]:
    return {name: value.decode() for name, value in message.headers}


async def test_a_request_on_the_topic_hands_its_trace_to_its_answer_and_its_rows(small: LoadedModel) -> None:
    topic = Topic(small)
    await topic.take(ONE, traceparent=TRACE, tracestate="a=1")
    (answer,) = await topic.answers()
    assert (headers(answer)["traceparent"], headers(answer)["tracestate"]) == (TRACE, "a=1")
    assert topic.traces() == [TRACE]


async def test_so_does_one_that_can_not_be_read_and_others_have_none(small: LoadedModel) -> None:
    topic = Topic(small)
    await topic.take(b"{", traceparent=TRACE)
    await topic.take(b"{", traceparent=TRACE[:-1])
    await topic.take(b"{")
    answers = [each for each in await topic.answers() if each.topic != DEAD_LETTERS]
    assert [headers(each).get("traceparent") for each in answers] == [TRACE, None, None]


async def test_labels_carry_the_trace_of_their_post_and_posts_of_several_traces_share_no_event(
    service: Service,
) -> None:
    given = [TRACE, TRACE, OTHER, None, "nonsense"]
    posts = (
        service.client.post(LABELS, json=[label(n)], headers={"traceparent": trace} if trace else {})
        for n, trace in enumerate(given)
    )
    assert {answer.status_code for answer in await asyncio.gather(*posts)} == {202}
    found = [
        (each.request_id, headers(message).get("ce_traceparent"))
        for message in service.kafka.messages
        for event in received([message])
        for each in event.labels
    ]
    assert sorted(found) == [("r-0", TRACE), ("r-1", TRACE), ("r-2", OTHER), ("r-3", None), ("r-4", None)]
