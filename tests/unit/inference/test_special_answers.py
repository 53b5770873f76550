"""Answers that are more than plain JSON do not come by the batcher, which writes nothing else."""

import asyncio
import json
from typing import Any

import pytest

from services.inference.api.batcher import Batcher
from services.inference.api.core import Core
from services.inference.domain.answer import Answer
from services.inference.domain.recent import RecentIds
from services.inference.store.accounting import Accounting
from tests.unit.inference.harness import Service, Untraced

INPUTS = [
    {"name": "temp", "datatype": "FP32", "shape": [1], "data": [50.0]},
    {"name": "wind", "datatype": "FP32", "shape": [1], "data": [10.0]},
    {"name": "carrier", "datatype": "BYTES", "shape": [1], "data": ["AA"]},
]


class Waiting(Untraced):
    """A job that only remembers what became of it."""

    received = 0.0
    json_length: int | None = None

    def __init__(self, **fields: Any) -> None:
        self.body = json.dumps({"inputs": INPUTS} | fields).encode()
        self.answer: Answer | None = None
        self.given_up = False

    def finish(self, answer: Answer) -> None:
        self.answer = answer

    def refuse(self) -> None:
        raise AssertionError("nothing is full here")

    def give_up(self) -> None:
        self.given_up = True


@pytest.mark.parametrize(
    ("fields", "special"),
    [
        ({}, False),
        ({"parameters": {"binary_data_output": False}}, False),
        ({"outputs": [{"name": "label", "parameters": {"binary_data": False}}]}, False),
        ({"parameters": {"binary_data_output": True}}, False),
        ({"outputs": [{"name": "label", "parameters": {"binary_data": True}}]}, True),
        ({"parameters": {"priority": 1}}, True),
    ],
)
async def test_the_batcher_gives_up_what_it_can_not_write(
    service: Service, fields: dict[str, Any], special: bool
) -> None:
    job = Waiting(**fields)
    batcher = Batcher(Core(Accounting(service.log, lambda: False), RecentIds(10), 256))
    batcher.add(service.catalogue.get("small"), job)
    await asyncio.sleep(0)
    assert (job.given_up, job.answer is None) == (special, special)
    assert bool(service.logged()) is not special
