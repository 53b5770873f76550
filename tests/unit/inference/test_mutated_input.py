"""A thousand mutations of good requests, the same ones each time: none gets a server error."""

import random
from typing import Any

import pytest

from tests.unit.inference.harness import Service
from tests.unit.inference.test_bad_input import GOOD, INFER, LABELS, encoded
from tests.unit.inference.test_bad_labels import LABEL

ROW = {"temp": 50.0, "wind": 10, "carrier": "AA"}
PREDICT = "/v1/models/small/predict"
ROWS = {"id": "r1", "entity": "N1", "rows": [ROW | {"event_time": "2013-03-15T12:00:00Z"}]}

STRANGE: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    "",
    "x",
    "\x00",
    [],
    {},
    [[]],
    [None],
    {"name": "temp"},
    float("nan"),
    float("-inf"),
    "2013-03-15T12:00:00Z",
]


def mutated(value: Any, chance: random.Random) -> Any:
    """`value` with one part, chosen at random, changed, left out, added or doubled."""
    if value and chance.random() < 0.85:
        if isinstance(value, dict):
            return mutated_object(value, chance)
        if isinstance(value, list):
            return mutated_list(value, chance)
    return chance.choice(STRANGE)


def mutated_object(value: dict[str, Any], chance: random.Random) -> Any:
    name, kind = chance.choice(sorted(value)), chance.random()
    if kind < 0.15:
        return {key: part for key, part in value.items() if key != name}
    if kind < 0.25:
        return value | {chance.choice(["extra", "data", "id", ""]): chance.choice(STRANGE)}
    return value | {name: mutated(value[name], chance)}


def mutated_list(value: list[Any], chance: random.Random) -> Any:
    at, kind = chance.randrange(len(value)), chance.random()
    if kind < 0.15:
        return value[:at] + value[at + 1 :]
    if kind < 0.25:
        return [*value, value[at]]
    return [*value[:at], mutated(value[at], chance), *value[at + 1 :]]


@pytest.mark.parametrize("seed", range(4))
async def test_no_mutation_of_a_good_request_gets_a_server_error(service: Service, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # repeatable, not secret
    statuses = set()
    for _ in range(250):
        for path, good in ((INFER, GOOD), (PREDICT, ROWS), (LABELS, [LABEL, LABEL | {"row": 1}])):
            body = encoded(mutated(mutated(good, chance) if chance.random() < 0.3 else good, chance))
            if chance.random() < 0.2:
                at = chance.randrange(len(body) + 1)
                body = body[:at] + chance.randbytes(chance.randrange(3)) + body[at + chance.randrange(3) :]
            answer = await service.client.post(path, content=body)
            statuses.add(answer.status_code)
            assert answer.status_code in (200, 202, 400), (body, answer.text)
            if answer.status_code == 400:
                assert answer.json()["error"]
    assert statuses >= {200, 400}
