"""A stream of messages for feature_logging that keeps count, and what became of them."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from aiokafka import AIOKafkaProducer, TopicPartition
from deltalake import DeltaTable

from shared.batch import decode_batch, encode_batch
from shared.cloudevents import encode
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.feature_log.schema import app_id
from shared.kafka.admin import OUTCOMES, PREDICTIONS
from shared.kafka.message import OutMessage
from shared.outcomes import decode_outcomes
from tests.integration.drift_service import read_all
from tests.integration.feature_log_service import ROOT, batch

MODELS = ("flights", "wine")
ROWS = 5
Sent = Counter[tuple[str, str, int, int]]
Row = tuple[str, bytes]


class Stream:
    """Sends messages of two models and keeps count: rows by (model, kind, partition, offset), and which of them make
    pairs, by (model, request id). A message of labels is for rows of the messages of its model before and after it.
    """

    def __init__(self, digests: dict[str, str], partitions: int = 3) -> None:
        self.digests = digests
        self._partitions = partitions
        self.sent: Sent = Counter()
        self._number = 0
        self._predicted: set[Row] = set()
        self._labelled: set[Row] = set()

    @property
    def pairs(self) -> Counter[Row]:
        """Rows that were sent with their label, once each."""
        return Counter(self._predicted & self._labelled)

    def message(self, model: str) -> OutMessage:
        """The next good message: mostly predictions, every fifth labels."""
        self._number += 1
        if self._number % 5:
            return OutMessage(PREDICTIONS, encode_batch(batch(model, self.digests[model], self._number * ROWS, ROWS)))
        items = tuple(
            LabelItem(request_id=str(UUID(int=row)), value=1.0, event_time=datetime(2013, 6, 1, tzinfo=UTC))
            for number, rows in ((self._number - 2, 3), (self._number + 2, 2))
            for row in range(number * ROWS, number * ROWS + rows)
        )
        event = LabelsReceived(id=stable_id(self._number), time=items[0].event_time, model=model, labels=items)
        return encode(event, "inference")

    async def send(self, producer: AIOKafkaProducer, count: int) -> None:
        """Sends good messages to partitions in turn and counts them once they are acknowledged."""
        sent = []
        for _ in range(count):
            model = MODELS[self._number % 2]
            out = self.message(model)
            told = {"partition": self._number % self._partitions, "headers": list(out.headers)}
            sent.append((model, out, await producer.send(out.topic, out.value, **told)))
        for model, out, future in sent:
            at = await future
            kind = "predictions" if out.topic == PREDICTIONS else "labels"
            self.sent[model, kind, at.partition, at.offset] += ROWS
            self._note(model, out)

    def _note(self, model: str, out: OutMessage) -> None:
        if out.topic == PREDICTIONS:
            self._predicted |= {(model, request_id) for request_id in decode_batch(out.value).request_id}
        else:
            items = LabelsReceived.model_validate_json(out.value).labels
            self._labelled |= {(model, UUID(item.request_id).bytes) for item in items}


def producing(kafka: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=1)


async def paired(kafka: str) -> Counter[Row]:
    """The rows that driftline.outcomes tells of to one who passes over repeats."""
    found: Counter[Row] = Counter()
    heard: dict[tuple[str, ...], int] = {}
    for message in await read_all(kafka, OUTCOMES, range(3)):
        batch = decode_outcomes(message.value or b"")
        meta = batch.meta
        stream = (meta.producer, meta.digest, meta.role)
        if meta.sequence > heard.get(stream, -1):
            heard[stream] = meta.sequence
            found.update((meta.model, request_id) for request_id in batch.request_id)
    return found


def logged(tables: Path) -> Sent:
    """Rows by place, as plain deltalake reads them; each row of a message must be there once."""
    found: Sent = Counter()
    for model in MODELS:
        for kind in ("predictions", "labels"):
            columns = ["source_partition", "source_offset", "source_row"]
            rows = DeltaTable(str(tables / model / kind)).to_pyarrow_table(columns=columns).to_pylist()
            assert len({tuple(row.values()) for row in rows}) == len(rows), f"a row of {model}/{kind} is there twice"
            found.update((model, kind, row["source_partition"], row["source_offset"]) for row in rows)
    return found


def check_next_offsets(state: Path, ends: dict[TopicPartition, int]) -> None:
    """The highest next offset in the commits of a partition's tables is Kafka's own."""
    for place, end in ends.items():
        kind = "predictions" if place.topic == PREDICTIONS else "labels"
        tables = [state / "tables" / model / kind for model in MODELS] + [state / "tables" / "_rejected"]
        there = [DeltaTable(table) for table in tables if DeltaTable.is_deltatable(str(table))]
        assert max(table.transaction_version(app_id(place.topic, place.partition)) or 0 for table in there) == end


def completeness(state: Path) -> dict[str, object]:
    command = (sys.executable, "-m", "services.feature_logging", "completeness", "--state", str(state))
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report: dict[str, object] = json.loads(answer.stdout)
    assert answer.returncode == (0 if report["complete"] else 1)
    return report


def verify(state: Path) -> list[str]:
    """What `verify` finds broken."""
    command = (sys.executable, "-m", "services.feature_logging", "verify", "--state", str(state))
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not answer.stderr, answer.stderr
    broken = [line for line in answer.stdout.splitlines() if line.startswith("BROKEN")]
    assert bool(broken) == bool(answer.returncode)
    return broken
