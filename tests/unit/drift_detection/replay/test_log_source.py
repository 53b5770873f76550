"""A replay from the feature log where some of it can't be used."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from services.drift_detection.domain.watched import Watched
from services.drift_detection.models import Bundles
from services.drift_detection.replay.sources import LogRows
from services.drift_detection.settings import Settings
from shared.errors import Unreadable
from tests.unit.drift_detection.pumps import DIGEST, watched

LOST = "b" * 64


class OneIsLost(Bundles):
    """A bundle store without one of the bundles."""

    async def get(self, digest: str) -> Watched:
        if digest == LOST:
            raise Unreadable(f"bundle {digest}: there is none")
        return watched()


def write(tables: Path, digests: list[str]) -> None:
    """A message of one row for each of these bundles."""
    count, time = len(digests), datetime(2026, 3, 1, tzinfo=UTC)
    numbers = pa.array(range(count), pa.int32())
    rows = {
        "event_day": pa.array([time.date()] * count),
        "event_time": pa.array([time] * count, pa.timestamp("us", "UTC")),
        "log_time": pa.array([time] * count, pa.timestamp("us", "UTC")),
        "role": pa.array(["champion"] * count),
        "repeat": pa.array([False] * count),
        "bundle_digest": pa.array(digests),
        "source_partition": pa.array([0] * count, pa.int32()),
        "source_offset": numbers.cast(pa.int64()),
        "source_row": pa.array([0] * count, pa.int32()),
        "request_id": pa.array([b"0" * 16] * count),
        "row": pa.array([0] * count, pa.int32()),
        "entity": pa.nulls(count, pa.string()),
        "latency_us": numbers,
        "temp": pa.array([1.0] * count, pa.float32()),
        "flow": pa.array([2.0] * count, pa.float32()),
        "site": pa.array(["north"] * count),
        "scores": pa.array([[0.5]] * count, pa.list_(pa.float32())),
        "flags": pa.array([[]] * count, pa.list_(pa.string())),
    }
    write_deltalake(str(tables / "pumps" / "predictions"), pa.table(rows))


async def test_messages_whose_bundle_is_lost_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path, [LOST, DIGEST, LOST, DIGEST])
    settings = Settings(state=tmp_path)
    rows = LogRows(tmp_path, OneIsLost(settings.bundles, settings.trust), "pumps")
    assert [place.offset async for place, _, _ in rows.messages()] == [1, 3]
    assert rows.notes == ["the bundle of 2 messages can't be read"]
    assert not rows.lacks_rows


async def test_a_table_without_rows_is_said_to_have_none(tmp_path: Path) -> None:
    write(tmp_path, [DIGEST])
    DeltaTable(str(tmp_path / "pumps" / "predictions")).delete()
    settings = Settings(state=tmp_path)
    rows = LogRows(tmp_path, OneIsLost(settings.bundles, settings.trust), "pumps")
    with pytest.raises(Unreadable, match="there are no rows of pumps"):
        await anext(rows.messages())
