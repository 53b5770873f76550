import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiokafka.errors import (
    CommitFailedError,
    GroupAuthorizationFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
)

from shared.errors import Unreadable
from shared.kafka.consumer import CommitPolicy, ConsumeLoop, ConsumerConfig
from shared.kafka.message import InMessage, OutMessage
from tests.unit.shared.kafka_fakes import ONE, ZERO, FakeConsumer, FakeProducer, record

EVERY_MESSAGE = CommitPolicy(every_seconds=60, every_messages=1)
AT_THE_END = CommitPolicy(every_seconds=60, every_messages=1_000)


class Bench:
    """A loop on fakes; `said` holds what happened, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *coming: Any) -> None:
        self.said: list[Any] = []
        self.consumer = FakeConsumer(self.said, *coming)
        self.producer = FakeProducer(self.said)
        monkeypatch.setattr("shared.kafka.consumer.group_consumer", lambda _: self.consumer)

    def loop(self, policy: CommitPolicy = EVERY_MESSAGE, **parts: Any) -> ConsumeLoop:
        config = ConsumerConfig("nowhere:1", "group", ("t",), "service", policy)
        known: dict[str, Any] = {"handler": self.handle} | parts
        return ConsumeLoop(config, self.producer, **known)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    async def handle(self, message: InMessage) -> Sequence[OutMessage]:
        self.said.append(("handle", message.partition, message.offset))
        return [OutMessage("out", b"of %d" % message.offset)]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():  # noqa: ASYNC110  # what is waited for has no event
                await asyncio.sleep(0.005)

    def commits(self) -> list[Any]:
        return [entry[1] for entry in self.said if entry[0] == "commit"]


@contextlib.asynccontextmanager
async def running(loop: ConsumeLoop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_it_handles_then_sends_then_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(7), record(8)], ONE: [record(3, partition=1)]})
    async with running(bench.loop()):
        await bench.until(lambda: bool(bench.commits()))
    assert bench.said == [
        ("handle", 0, 7),
        ("handle", 0, 8),
        ("handle", 1, 3),
        ("send", [b"of 7", b"of 8", b"of 3"]),
        ("commit", {ZERO: 9, ONE: 4}),
        "stop",
    ]


async def test_what_flush_gives_is_sent_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})

    async def flush() -> Sequence[OutMessage]:
        bench.said.append("flush")
        return [OutMessage("out", b"flushed")]

    async with running(bench.loop(flush=flush)):
        await bench.until(lambda: bool(bench.commits()))
    assert bench.said[1:4] == ["flush", ("send", [b"of 0", b"flushed"]), ("commit", {ZERO: 1})]


async def test_offsets_wait_for_the_policy_and_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]}, {ZERO: [record(1)]})
    async with running(bench.loop(AT_THE_END)):
        await bench.until(lambda: ("handle", 0, 1) in bench.said)
        assert bench.commits() == []
    assert bench.commits() == [{ZERO: 2}]


async def test_seconds_alone_bring_a_commit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    async with running(bench.loop(CommitPolicy(every_seconds=0.05, every_messages=1_000))):
        await bench.until(lambda: bool(bench.commits()))


async def test_an_unreadable_message_goes_to_the_dead_letters_and_the_others_are_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0, headers=[("h", None)]), record(1, value=None), record(2)]})
    sent: list[OutMessage] = []
    buried: list[tuple[int, str]] = []

    async def handle(message: InMessage) -> Sequence[OutMessage]:
        if message.value is None or message.header("h") == "":
            raise Unreadable("no value\nat all")
        return []

    async def on_dead_letter(message: InMessage, reason: str) -> None:
        buried.append((message.offset, reason))

    async def send(messages: Sequence[OutMessage]) -> None:
        sent.extend(messages)

    bench.producer.send = send  # type: ignore[method-assign]
    async with running(bench.loop(handler=handle, on_dead_letter=on_dead_letter)):
        await bench.until(lambda: bench.commits() == [{ZERO: 3}])
    assert buried == [(0, "no value\nat all"), (1, "no value\nat all")]
    assert [dict(letter.headers)["driftline-offset"] for letter in sent] == [b"0", b"1"]
    assert {letter.topic for letter in sent} == {"driftline.dead-letters"}


@pytest.mark.parametrize("policy", [EVERY_MESSAGE, AT_THE_END])
async def test_a_handler_that_fails_ends_the_loop_and_commits_nothing(
    monkeypatch: pytest.MonkeyPatch, policy: CommitPolicy
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0), record(1)]})

    async def handle(message: InMessage) -> Sequence[OutMessage]:
        if message.offset == 1:
            raise ZeroDivisionError
        return []

    with pytest.raises(ZeroDivisionError):
        await bench.loop(policy, handler=handle).run()
    assert bench.said == ["stop"]


async def test_a_flush_that_fails_ends_the_loop_and_commits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})

    async def flush() -> Sequence[OutMessage]:
        bench.said.append("flush")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await bench.loop(flush=flush).run()
    assert bench.said == [("handle", 0, 0), "flush", "stop"]


async def test_a_send_that_fails_is_repeated_and_nothing_is_committed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    bench.producer.failing += [KafkaConnectionError("away"), NodeNotReadyError()]
    monkeypatch.setattr("shared.kafka.consumer.RETRY_SECONDS", 0.01)
    async with running(bench.loop()):
        await bench.until(lambda: bool(bench.commits()))
    assert bench.said[1:3] == [("send", [b"of 0"]), ("commit", {ZERO: 1})]


async def test_a_send_that_can_never_succeed_ends_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    bench.producer.failing.append(MessageSizeTooLargeError())
    with pytest.raises(MessageSizeTooLargeError):
        await bench.loop().run()
    assert bench.commits() == []


async def test_a_commit_that_fails_is_made_up_for_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]}, {ONE: [record(0, partition=1)]})
    bench.consumer.failing.append(KafkaError("no coordinator"))
    async with running(bench.loop()):
        await bench.until(lambda: bool(bench.commits()))
    assert bench.commits()[-1] == {ZERO: 1, ONE: 1}
    assert [entry for entry in bench.said if entry[0] == "handle"] == [("handle", 0, 0), ("handle", 1, 0)]


@pytest.mark.parametrize("error", [CommitFailedError("rebalanced"), IllegalStateError("not assigned")])
async def test_offsets_that_another_member_has_taken_over_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]}, {ONE: [record(0, partition=1)]})
    bench.consumer.failing.append(error)
    async with running(bench.loop()):
        await bench.until(lambda: bool(bench.commits()))
    assert bench.commits() == [{ONE: 1}]


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
    bench = Bench(monkeypatch, {ZERO: [record(0)]})
    async with running(bench.loop(AT_THE_END)):
        await bench.until(lambda: ("handle", 0, 0) in bench.said)
        bench.consumer.failing.append(KafkaError("no coordinator"))
        await bench.consumer.rebalance()  # another member may be far ahead when the partition comes back
    assert bench.commits() == []


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
    monkeypatch.setattr("shared.kafka.consumer.RETRY_SECONDS", 0.01)
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
