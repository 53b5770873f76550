"""What a row breaks of its definition stands beside it, and is counted per hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

from services.feature_logging.domain.quality import flags
from services.feature_logging.store.compaction import compact
from services.feature_logging.store.quality import Quality
from services.feature_logging.store.table import LogTable
from services.feature_logging.stream.intake import Intake
from shared.batch import encode_batch
from shared.errors import InvalidInput
from shared.feature_log.schema import FLAGS
from shared.features import MISSING, UNSEEN, Rows
from tests.unit.feature_logging.samples import (
    DIGEST,
    MODEL,
    START,
    FakeBundles,
    batch,
    definition,
    feature_log,
    message,
    place,
)

NAN = float("nan")
LIMITED = definition(more='{ name = "gust", kind = "numeric", min = 0.0, max = 50.0 },')  # wind and temp have no limits


def rows(gust: list[float], origin: list[int]) -> Rows:
    other = np.full(len(gust), 1e9)
    return Rows(
        np.column_stack([other, other, gust]).astype(np.float32), np.array(origin, np.int32).reshape(len(origin), 1)
    )


def test_values_that_the_definition_does_not_allow_are_named_with_their_kind() -> None:
    some = rows([50, 51, -1, NAN, -0.5, 0], [0, 2, UNSEEN, MISSING, 1, UNSEEN])
    told = flags(some, LIMITED)
    assert told.type == FLAGS
    assert told.to_pylist() == [
        None,
        ["gust:above_limit"],
        ["gust:below_limit", "origin:unseen"],
        None,
        ["gust:below_limit"],
        ["origin:unseen"],
    ]


def test_nothing_is_said_of_a_sensitive_feature() -> None:
    hidden = definition(more='{ name = "gust", kind = "numeric", max = 50.0, sensitive = "hash" },')
    assert flags(rows([51, 0], [UNSEEN, 0]), hidden).to_pylist() == [["origin:unseen"], None]


def test_rows_that_keep_to_their_definition_have_no_flags() -> None:
    assert flags(rows([0, 50], [0, 1]), LIMITED).null_count == 2


async def log_of(tables: Path, *some: Rows) -> None:
    """Messages with these rows, one a minute from START on in each."""
    intake = Intake(feature_log(tables), FakeBundles({DIGEST: LIMITED}).get)
    for offset, each in enumerate(some):
        sent = replace(batch(len(each), definition_digest=LIMITED.digest), rows=each)
        await intake.handle(message(encode_batch(sent), offset))
        await intake.flush()


async def test_flagged_rows_are_logged_and_found_by_sql_and_by_plain_readers(tmp_path: Path) -> None:
    await log_of(tmp_path, rows([1, 99, 3], [0, UNSEEN, MISSING]))
    table = DeltaTable(place(tmp_path).path)
    assert table.to_pyarrow_table(columns=["origin", "flags"]).to_pylist() == [
        {"origin": "EWR", "flags": None},
        {"origin": None, "flags": ["gust:above_limit", "origin:unseen"]},
        {"origin": None, "flags": None},
    ]
    query = "select count(*) as n from predictions where array_has(flags, 'origin:unseen')"
    found = pa.table(QueryBuilder().register("predictions", table).execute(query).read_all())
    assert found.to_pylist() == [{"n": 1}]


async def test_counts_per_hour_are_those_of_the_rows_before_and_after_compaction(tmp_path: Path) -> None:
    quality = Quality(tmp_path)
    await log_of(tmp_path, rows([99] * 90, [0] * 90), rows([-1, 1], [UNSEEN, 0]))
    hours = quality.hours(MODEL, START, START + timedelta(hours=2))
    assert [hour.model_dump(mode="json") for hour in hours] == [
        {
            "hour": "2013-03-01T00:00:00Z",
            "rows": 62,
            "flagged": 61,
            "flags": [
                {"feature": "gust", "kind": "above_limit", "rows": 60},
                {"feature": "gust", "kind": "below_limit", "rows": 1},
                {"feature": "origin", "kind": "unseen", "rows": 1},
            ],
        },
        {
            "hour": "2013-03-01T01:00:00Z",
            "rows": 30,
            "flagged": 30,
            "flags": [{"feature": "gust", "kind": "above_limit", "rows": 30}],
        },
    ]
    assert quality.hours(MODEL, START + timedelta(hours=1), START + timedelta(days=9)) == hours[1:]
    assert compact(LogTable(place(tmp_path))) == 2
    assert quality.hours(MODEL, START, START + timedelta(hours=2)) == hours


@pytest.mark.parametrize(
    ("model", "start", "end", "field"),
    [
        ("wine", START, START + timedelta(hours=1), "model"),
        (MODEL, START, START, "to"),
        (MODEL, START, START + timedelta(days=31, hours=1), "to"),
        (MODEL, START, START + timedelta(minutes=30), "to"),
        (MODEL, datetime(2013, 3, 1), START, "from"),  # noqa: DTZ001  # that is the fault
        (MODEL, START + timedelta(microseconds=1), datetime(2013, 3, 2, tzinfo=UTC), "from"),
    ],
)
async def test_what_is_asked_wrongly_is_named(
    tmp_path: Path, model: str, start: datetime, end: datetime, field: str
) -> None:
    await log_of(tmp_path, rows([1], [0]))
    with pytest.raises(InvalidInput) as refused:
        Quality(tmp_path).hours(model, start, end)
    assert refused.value.field == field
