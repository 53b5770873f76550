import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, OutOfOrderSequenceNumber

from shared.kafka.message import OutMessage
from shared.kafka.producer import Producer


class FakeClient:
    """Stands for AIOKafkaProducer: each one remembers what it acknowledged; values `bad...` fail."""

    made: list["FakeClient"]
    error: KafkaError
    refuses = 0

    def __init__(self, **config: Any) -> None:
        self.config, self.sent, self.stopped = config, list[bytes](), False
        self.made.append(self)

    async def start(self) -> None:
        if len(self.made) <= type(self).refuses:
            raise KafkaConnectionError("away")

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, _topic: str, value: bytes, **_: Any) -> "asyncio.Future[None]":
        done = asyncio.get_running_loop().create_future()
        if self.stopped:
            raise KafkaError("producer closed")
        if value.startswith(b"bad"):
            done.set_exception(self.error)
        else:
            self.sent.append(value)
            done.set_result(None)
        await asyncio.sleep(0)
        return done


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[FakeClient]:
    FakeClient.made, FakeClient.refuses, FakeClient.error = [], 0, KafkaTimeoutError()
    monkeypatch.setattr("shared.kafka.producer.AIOKafkaProducer", FakeClient)
    return FakeClient.made


def messages(*values: bytes) -> list[OutMessage]:
    return [OutMessage("t", value) for value in values]


async def test_messages_are_sent_in_order_by_one_reliable_client(clients: list[FakeClient]) -> None:
    producer = Producer("nowhere:1", "service")
    await producer.start()
    await producer.send(messages(b"1", b"2", b"3"))
    await producer.send([])
    await producer.stop()
    (client,) = clients
    assert (client.sent, client.stopped) == ([b"1", b"2", b"3"], True)
    assert (client.config["acks"], client.config["enable_idempotence"]) == ("all", True)


@pytest.mark.parametrize("error", [KafkaTimeoutError(), OutOfOrderSequenceNumber(), KafkaError("?")])
async def test_after_any_failure_a_new_client_takes_over(clients: list[FakeClient], error: KafkaError) -> None:
    FakeClient.error = error
    producer = Producer("nowhere:1", "service")
    with pytest.raises(type(error)):
        await producer.send(messages(b"1", b"bad", b"3"))
    assert clients[0].stopped
    await producer.send(messages(b"1", b"3"))
    assert clients[1].sent == [b"1", b"3"]


async def test_the_failure_of_one_sender_is_told_to_it_and_costs_the_others_at_most_a_repeat(
    clients: list[FakeClient],
) -> None:
    producer = Producer("nowhere:1", "service")

    async def send(name: bytes) -> bool:
        try:
            await producer.send(messages(b"%s1" % name, b"%s2" % name, b"%s3" % name))
        except KafkaError:
            return False
        return True

    results = await asyncio.gather(*(send(name) for name in (b"a", b"bad", b"c", b"bad", b"e")))
    assert results[1] is results[3] is False
    for name, done in zip((b"a", b"c", b"e"), (results[0], results[2], results[4]), strict=True):
        if not done:
            assert await send(name)
    acknowledged = [value for client in clients for value in client.sent]
    assert {b"a1", b"a2", b"a3", b"c1", b"c2", b"c3", b"e1", b"e2", b"e3"} <= set(acknowledged)
    assert len([client for client in clients if not client.stopped]) <= 1  # none is left open behind


async def test_many_senders_share_the_first_connection(clients: list[FakeClient]) -> None:
    producer = Producer("nowhere:1", "service")
    await asyncio.gather(*(producer.send(messages(b"%d" % number)) for number in range(50)))
    assert len(clients) == 1


async def test_a_client_that_can_not_start_is_closed_and_the_next_send_tries_again(clients: list[FakeClient]) -> None:
    FakeClient.refuses = 1
    producer = Producer("nowhere:1", "service")
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    assert clients[0].stopped
    await producer.send(messages(b"1"))
    assert clients[1].sent == [b"1"]


async def test_a_client_that_does_not_stop_is_waited_for_only_a_while(
    clients: list[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.kafka.producer._PARTING", 0.05)
    producer = Producer("nowhere:1", "service")
    await producer.start()
    go = asyncio.Event()

    async def slow_stop() -> None:
        await go.wait()
        raise KafkaError("late")

    clients[0].stop = slow_stop  # type: ignore[method-assign]
    await asyncio.wait_for(producer.stop(), 2)
    go.set()
    await asyncio.sleep(0.01)  # its error is told in the log, and nobody's exception is left unseen
