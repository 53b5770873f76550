"""What the state says is sent, in order, at least once, with the same bytes."""

import asyncio
from datetime import timedelta

import pytest
from aiokafka.errors import KafkaError
from sqlalchemy import select

from services.governance.store import outbox, tables
from services.governance.store.desk import Desk
from services.governance.stream.outbox import KEPT, OutboxSender
from shared.cloudevents import decode
from tests.bundles import as_read
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.test_registrar import approve, promote_champion
from tests.unit.governance.world import RecordingProducer, StandingClock


class Killed(BaseException):
    """The process ended here."""


def sender(desk: Desk, producer: RecordingProducer) -> OutboxSender:
    return OutboxSender(desk, producer, pause=0.01)  # type: ignore[arg-type]  # it only sends


async def test_events_go_out_once_and_in_order(desk: Desk, bundles: Bundles) -> None:
    promote_champion(desk, bundles)
    producer = RecordingProducer()
    assert await sender(desk, producer).send_waiting() == 6
    assert await sender(desk, producer).send_waiting() == 0
    types = [message.header("ce_type") for message in map(as_read, producer.sent)]
    assert types[0] == "ModelRegistered"
    assert types[-2:] == ["ModelPromoted", "DeploymentChanged"]
    with desk.database.read() as connection:
        assert outbox.backlog(connection) == 0


async def test_what_serves_is_said_again_with_the_same_bytes(desk: Desk, bundles: Bundles) -> None:
    promote_champion(desk, bundles)
    first, again = RecordingProducer(), RecordingProducer()
    await sender(desk, first).send_waiting()
    desk.registrar.announce_again()
    assert await sender(desk, again).send_waiting() == 1
    assert again.sent == first.sent[-1:]
    assert as_read(again.sent[0]).header("ce_type") == "DeploymentChanged"


async def test_what_was_sent_long_ago_goes_but_what_serves_can_be_said_again(
    desk: Desk, bundles: Bundles, clock: StandingClock
) -> None:
    promote_champion(desk, bundles)
    desk.register(bundles.challenger, "olive")
    approve(desk, desk.registrar.request("small", bundles.challenger, "olive")[0], "ada", "grace")
    first, later, again = RecordingProducer(), RecordingProducer(), RecordingProducer()
    await sender(desk, first).send_waiting()
    clock.now += KEPT
    desk.register(bundles.other, "olive")
    assert await sender(desk, later).send_waiting() == 1
    assert len(kept(desk)) == len(first.sent) + 1
    clock.now += timedelta(seconds=1)
    desk.registrar.request("other", bundles.other, "olive")
    assert await sender(desk, later).send_waiting() == 1
    assert kept(desk) == [as_read(first.sent[-1]).value, *(message.value for message in later.sent)]
    desk.registrar.announce_again()
    await sender(desk, again).send_waiting()
    assert again.sent == first.sent[-1:]


def kept(desk: Desk) -> list[bytes | None]:
    """The values of all events that the outbox holds, in order."""
    with desk.database.read() as connection:
        return list(connection.execute(select(tables.outbox.c.value).order_by(tables.outbox.c.position)).scalars())


async def test_a_crash_before_the_send_loses_nothing(desk: Desk, bundles: Bundles) -> None:
    promote_champion(desk, bundles)
    producer = RecordingProducer(failures=[Killed()])  # type: ignore[list-item]
    with pytest.raises(Killed):
        await sender(desk, producer).send_waiting()
    after_restart = RecordingProducer()
    assert await sender(desk, after_restart).send_waiting() == 6


async def test_a_crash_after_the_send_repeats_the_same_ids_and_bytes(
    desk: Desk, bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_champion(desk, bundles)
    before, after = RecordingProducer(), RecordingProducer()

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "mark", killed)
        with pytest.raises(Killed):
            await sender(desk, before).send_waiting()
    await sender(desk, after).send_waiting()
    assert before.sent == after.sent
    assert len({decode(as_read(message)).id for message in before.sent + after.sent}) == 6


async def test_an_unreachable_broker_is_tried_again(
    desk: Desk, bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    real = asyncio.sleep

    async def quick(seconds: float) -> None:
        waited.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", quick)
    promote_champion(desk, bundles)
    producer = RecordingProducer(failures=[KafkaError(), KafkaError()])
    running = asyncio.create_task(sender(desk, producer).run())
    async with asyncio.timeout(5):
        while len(producer.sent) < 6:
            await real(0.01)
    running.cancel()
    assert len(producer.sent) == 6
    assert waited[:2] == [1, 1]
