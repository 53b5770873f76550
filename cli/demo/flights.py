"""The flights as requests and labels, cut into hours of event time."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from shared.cloudevents import rfc3339
from shared.definition import ModelDefinition

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Flight:
    """One request of one row: its id, what it says, the body as posted."""

    request_id: str
    event_time: datetime
    features: dict[str, float | str | None]
    body: bytes


@dataclass
class Tick:
    """What happens in one hour of event time: planes due to depart, and labels of planes that landed."""

    start: datetime
    flights: list[Flight] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)


def between(rows: pa.Table, start: datetime, end: datetime) -> pa.Table:
    """The rows with start <= event_time < end."""
    time, kind = pc.field("event_time"), rows["event_time"].type
    return rows.filter((time >= pa.scalar(start, kind)) & (time < pa.scalar(end, kind)))


def uuid7(moment: datetime, *parts: object) -> str:
    """A UUIDv7 of this moment, whose other bits come from `parts`: the same flight has the same id in every replay."""
    random = int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:10])
    value = (int(moment.timestamp() * 1000) << 80) | random
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def ticks(rows: pa.Table, definition: ModelDefinition) -> list[Tick]:
    """The rows (event_time, entity, features by name, label, label_time) as hours in order.

    A label comes in the hour in which its plane landed; what lands after the last departure follows in further hours.
    """
    hours: dict[datetime, Tick] = {}
    for flight, label, landed in _flights(rows, definition):
        _tick(hours, flight.event_time).flights.append(flight)
        if landed is not None:
            told = {"request_id": flight.request_id, "value": label, "event_time": rfc3339(landed)}
            told["prediction_time"] = rfc3339(flight.event_time)
            _tick(hours, landed).labels.append(told)
    return [hours[start] for start in sorted(hours)]


def _tick(hours: dict[datetime, Tick], moment: datetime) -> Tick:
    start = moment.replace(minute=0, second=0, microsecond=0)
    return hours.setdefault(start, Tick(start))


def _flights(rows: pa.Table, definition: ModelDefinition) -> Iterator[tuple[Flight, float, datetime | None]]:
    for position, row in enumerate(rows.to_pylist()):
        moment = row["event_time"].astimezone(UTC)
        request_id = uuid7(moment, definition.name, position, row["entity"])
        features = {feature.name: row[feature.name] for feature in definition.features}
        body = _body(request_id, moment, row["entity"], features, definition)
        landed = row["label_time"]
        yield Flight(request_id, moment, features, body), row["label"], landed and landed.astimezone(UTC)


def _body(
    request_id: str,
    moment: datetime,
    entity: str | None,
    features: dict[str, float | str | None],
    definition: ModelDefinition,
) -> bytes:
    """An Open Inference Protocol request: one input per feature, missing is null."""
    datatype = {"numeric": "FP32", "categorical": "BYTES"}
    inputs = [
        {
            "name": feature.name,
            "shape": [1],
            "datatype": datatype[feature.kind],
            "data": [features[feature.name]],
        }
        for feature in definition.features
    ]
    parameters = {"event_time": rfc3339(moment)} | ({"entity": entity} if entity else {})
    request = {"id": request_id, "parameters": parameters, "inputs": inputs}
    return json.dumps(request, allow_nan=False, separators=(",", ":")).encode()
