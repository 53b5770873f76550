"""The application with a Kafka that only remembers."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.inference.domain.answer import Answer
from services.inference.models.catalogue import Catalogue
from services.inference.store.predictions import PredictionLog
from shared.batch import PredictionBatch, decode_batch
from shared.http import Health
from shared.kafka.backlog import Settled
from shared.kafka.message import OutMessage


@dataclass
class Kafka:
    """What was sent; `send` waits for `hold` and fails with `error` if there is one."""

    values: list[bytes] = field(default_factory=list)
    waiting: list[Settled] = field(default_factory=list)
    messages: list[OutMessage] = field(default_factory=list)
    error: Exception | None = None
    hold: asyncio.Event | None = None

    def enqueue(self, value: bytes, rows: int, settled: Settled | None = None) -> None:
        assert rows == len(decode_batch(value))
        self.values.append(value)
        if settled is not None:
            self.waiting.append(settled)

    def settle(self, *, safe: bool = True) -> None:
        """Say what became of all messages that somebody waits for."""
        waiting, self.waiting = self.waiting, []
        for settled in waiting:
            settled(safe)

    async def send(self, messages: Sequence[OutMessage]) -> None:
        await asyncio.sleep(0.01)
        if self.hold:
            await self.hold.wait()
        if self.error:
            raise self.error
        self.messages += messages


@dataclass
class Service:
    """The application over a catalogue with `small` (a category) and `block` (all numeric)."""

    client: httpx.AsyncClient
    catalogue: Catalogue
    kafka: Kafka
    log: PredictionLog
    health: Health

    def logged(self) -> list[PredictionBatch]:
        self.log.flush()
        return [decode_batch(value) for value in self.kafka.values]


def inputs(rows: int = 1, temp: float = 50) -> list[dict[str, Any]]:
    """The inputs of a request to `small`, all rows alike."""
    columns = (("temp", "FP32", float(temp)), ("wind", "FP32", 10.0), ("carrier", "BYTES", "AA"))
    return [{"name": name, "datatype": kind, "shape": [rows], "data": [value] * rows} for name, kind, value in columns]


class Untraced:
    """Of a job that is part of no trace."""

    trace: Mapping[str, Sequence[str]] | None = None

    def traced(self, *_: object, **__: object) -> None:
        return None


class Waiting(Untraced):
    """A job of the batcher that is answered; `told` is the answer."""

    received = 0.0
    json_length: int | None = None

    def __init__(self, **fields: Any) -> None:
        self.body = json.dumps({"inputs": inputs()} | fields).encode()
        self.told: dict[str, Any] = {}

    def finish(self, answer: Answer) -> None:
        self.told = json.loads(answer.body)

    def refuse(self) -> None:
        raise AssertionError("nothing is full here")

    give_up = refuse
