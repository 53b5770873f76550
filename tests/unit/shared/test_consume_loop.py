from collections.abc import Sequence

import pytest
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
)

from shared.errors import Unreadable
from shared.kafka.consumer import CommitPolicy
from shared.kafka.hooks import Turn
from shared.kafka.message import InMessage, OutMessage
from tests.unit.shared.consume_bench import AT_THE_END, EVERY_MESSAGE, Bench, running
from tests.unit.shared.kafka_fakes import ONE, ZERO, record


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


async def test_the_first_offsets_are_committed_at_once_others_wait_for_the_policy_and_for_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]}, {ZERO: [record(1)]}, {ZERO: [record(2)]})
    async with running(bench.loop(AT_THE_END)):
        await bench.until(lambda: ("handle", 0, 2) in bench.said)
        assert bench.commits() == [{ZERO: 1}]
    assert bench.commits() == [{ZERO: 1}, {ZERO: 3}]


async def test_what_others_wait_for_is_committed_as_soon_as_no_more_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(monkeypatch, {ZERO: [record(0)]}, {ZERO: [record(1)]})

    async def turn() -> Turn:
        return Turn([ZERO] if ("handle", 0, 1) in bench.said else None)

    async with running(bench.loop(AT_THE_END, turn=turn)):
        await bench.until(lambda: bench.commits() == [{ZERO: 1}, {ZERO: 2}])


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
