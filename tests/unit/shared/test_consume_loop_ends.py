"""The consume loop when partitions go, when it is cancelled, and when the broker is away."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
)

from shared.kafka.hooks import Turn
from shared.kafka.message import InMessage, OutMessage
from tests.unit.shared.consume_bench import AT_THE_END, Bench, running
from tests.unit.shared.kafka_fakes import ZERO, record


async def test_a_rebalance_commits_first_and_drops_what_was_fetched_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0), record(1), record(2)]})
    going, go = asyncio.Event(), asyncio.Event()

    async def handle(message: InMessage) -> Sequence[OutMessage]:
        bench.said.append(("handle", 0, message.offset))
        going.set()
        await go.wait()
        return []

    async with running(bench.loop(AT_THE_END, handler=handle)):
        await going.wait()
        rebalance = asyncio.create_task(bench.consumer.rebalance())
        await asyncio.sleep(0.05)
        assert not rebalance.done()  # it waits for the message in hand
        go.set()
        await rebalance
        bench.consumer.coming.append({ZERO: [record(1)]})
        await bench.until(lambda: ("handle", 0, 1) in bench.said)
    assert bench.said == [("handle", 0, 0), ("commit", {ZERO: 1}), ("handle", 0, 1), ("commit", {ZERO: 2}), "stop"]


async def test_an_offset_whose_commit_failed_at_a_rebalance_is_not_committed_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]}, {ZERO: [record(1)]})
    async with running(bench.loop(AT_THE_END)):
        await bench.until(lambda: ("handle", 0, 1) in bench.said)
        bench.consumer.failing.append(KafkaError("no coordinator"))
        await bench.consumer.rebalance()  # another member may be far ahead when the partition comes back
    assert bench.commits() == [{ZERO: 1}]


async def test_nothing_is_handled_before_on_assigned_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})

    async def on_assigned() -> None:
        await asyncio.sleep(0.05)
        bench.said.append("assigned")

    loop = bench.loop(on_assigned=on_assigned)
    assigning: list[asyncio.Task[None]] = []

    async def start() -> None:  # as aiokafka's: it returns, and may give messages, while the listener still runs
        await bench.consumer.listener.on_partitions_revoked(set())
        assigning.append(asyncio.create_task(bench.consumer.listener.on_partitions_assigned({ZERO})))

    bench.consumer.start = start  # type: ignore[method-assign]
    async with running(loop):
        await asyncio.sleep(0.02)
        assert not loop.ready.is_set()
        await bench.until(lambda: bool(bench.commits()))
        assert loop.ready.is_set()
    assert bench.said[:2] == ["assigned", ("handle", 0, 0)]
    assert not loop.ready.is_set()


@pytest.mark.parametrize("part", ["on_assigned", "flush"])
async def test_what_fails_in_a_rebalance_ends_the_loop_too(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    calls = 0

    async def fails() -> Sequence[OutMessage]:
        nonlocal calls
        calls += 1
        if part == "flush" or calls == 2:
            raise OSError("disk full")
        return []

    loop = bench.loop(AT_THE_END, **{part: fails})
    task = asyncio.create_task(loop.run())
    await bench.until(lambda: ("handle", 0, 0) in bench.said)
    await bench.consumer.rebalance()
    with pytest.raises(OSError, match="disk full"):
        await task
    if part == "flush":
        assert bench.commits() == []


async def test_a_cancelled_loop_finishes_the_message_in_hand_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0), record(1)]})
    going = asyncio.Event()

    async def handle(message: InMessage) -> Sequence[OutMessage]:
        going.set()
        await asyncio.sleep(0.05)
        bench.said.append(("handle", 0, message.offset))
        return []

    async with running(bench.loop(AT_THE_END, handler=handle)):
        await going.wait()
    assert bench.said == [("handle", 0, 0), ("commit", {ZERO: 1}), "stop"]


async def test_a_flush_in_a_thread_is_not_begun_again_when_the_loop_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    going, writing = threading.Event(), threading.Lock()

    def write() -> None:
        assert writing.acquire(blocking=False), "two writers at once"
        going.set()
        time.sleep(0.1)
        writing.release()

    async def flush() -> Sequence[OutMessage]:
        await asyncio.to_thread(write)
        bench.said.append("flush")
        return []

    async with running(bench.loop(flush=flush)):
        await asyncio.to_thread(going.wait)
    assert bench.said == [("handle", 0, 0), "flush", ("send", [b"of 0"]), ("commit", {ZERO: 1}), "stop"]


async def test_a_cancelled_loop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    monkeypatch.setattr("shared.kafka.consumer._PATIENCE", 0.1)
    monkeypatch.setattr("shared.kafka.consumer.RETRY_SECONDS", 0.01)
    bench.producer.failing += [KafkaConnectionError("away")] * 10_000
    async with running(bench.loop()) as task:
        await bench.until(lambda: ("handle", 0, 0) in bench.said)
        started = time.monotonic()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert time.monotonic() - started < 2
    assert bench.said == [("handle", 0, 0), "stop"]


async def refuses_once(bench: Bench, error: Exception) -> Callable[[], Awaitable[None]]:
    tries = 0

    async def start() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        await bench.consumer.rebalance()

    return start


async def test_a_broker_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    monkeypatch.setattr("shared.kafka.group.RETRY_SECONDS", 0.01)
    bench.consumer.start = await refuses_once(bench, KafkaConnectionError("away"))  # type: ignore[method-assign,assignment]
    async with running(bench.loop()):
        await bench.until(lambda: bool(bench.commits()))
    assert bench.said[0] == "stop"  # the consumer that could not start is not left open


async def test_a_broker_that_refuses_us_ends_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {})
    bench.consumer.start = await refuses_once(bench, GroupAuthorizationFailedError("group"))  # type: ignore[method-assign,assignment]
    with pytest.raises(GroupAuthorizationFailedError):
        await bench.loop().run()


async def test_an_error_that_passes_does_not_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, NodeNotReadyError(), {ZERO: [record(0)]})
    monkeypatch.setattr("shared.kafka.consumer.RETRY_SECONDS", 0.01)
    async with running(bench.loop()):
        await bench.until(lambda: bool(bench.commits()))


async def test_an_error_that_stays_ends_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, GroupAuthorizationFailedError("group"))
    with pytest.raises(GroupAuthorizationFailedError):
        await bench.loop().run()
    assert bench.said == ["stop"]


async def test_what_is_taken_before_on_assigned_is_done_is_read_again_where_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """aiokafka fetches from the committed offset on as soon as partitions are assigned."""
    bench = Bench(monkeypatch)
    sought: list[tuple[TopicPartition, int]] = []
    monkeypatch.setattr(bench.consumer, "seek", lambda *where: sought.append(where), raising=False)

    async def turn() -> Turn:
        if not sought:  # a rebalance comes while records are waited for, and brings some
            await loop.revoked()
            bench.consumer.coming.append({ZERO: [record(7), record(8)]})
        return Turn()

    loop = bench.loop(turn=turn)
    async with running(loop):
        await bench.until(lambda: bool(sought))
        assert [entry for entry in bench.said if entry[0] == "handle"] == []
        bench.consumer.coming.append({ZERO: [record(5)]})
        await loop.assigned()
        await bench.until(lambda: ("handle", 0, 5) in bench.said)
    assert sought == [(ZERO, 7)]
    assert [entry for entry in bench.said if entry[0] == "handle"] == [("handle", 0, 5)]


async def test_a_broker_that_long_does_not_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    monkeypatch.setattr("shared.kafka.consumer.RETRY_SECONDS", 0.01)
    failing: list[KafkaError] = [KafkaTimeoutError(), IllegalStateError("not assigned")]

    async def turn() -> Turn:
        if failing:
            raise failing.pop()
        return Turn()

    async with running(bench.loop(turn=turn)):
        await bench.until(lambda: ("handle", 0, 0) in bench.said)
