from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shared.arrow_ipc import read_record, write_record
from shared.batch import Meta
from shared.errors import Unreadable
from shared.outcomes import OutcomeBatch, decode_outcomes, encode_outcomes

META = Meta("flights", "a" * 64, "b" * 64, "canary", "driftline.labels/1", 17, 40)


def batch(rows: int = 4, scores: int = 1) -> OutcomeBatch:
    """Every second row is a correction, every third a business outcome."""
    numbers = np.arange(rows)
    times = np.datetime64("2013-03-01T05:15", "us") + numbers * np.timedelta64(1, "s")
    return OutcomeBatch(
        meta=META,
        request_id=[bytes([number % 256]) * 16 for number in range(rows)],
        row=numbers.astype(np.int32),
        event_time=times,
        label=np.where(numbers % 3 == 0, 12.5, 1.0),
        label_time=times + np.timedelta64(3, "h"),
        business=numbers % 3 == 0,
        replaced=np.where(numbers % 2, 0.0, np.nan),
        scores=np.random.default_rng(1).random((rows, scores), dtype=np.float32),
        source_partition=(numbers % 2).astype(np.int32),
        source_offset=numbers,
    )


def same(left: OutcomeBatch, right: OutcomeBatch) -> None:
    for name, value in vars(left).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(right, name), strict=True)
        else:
            assert value == getattr(right, name)


def changed(metadata: dict[str, str] | None = None, **columns: pa.Array | None) -> bytes:
    """The message of `batch()` with columns and metadata replaced, or left out where None is given."""
    whole = read_record(encode_outcomes(batch()))
    all_columns: dict[str, Any] = {name: whole.column(name) for name in whole.schema.names} | columns
    kept = {name: column for name, column in all_columns.items() if column is not None}
    told = {key.decode(): value.decode() for key, value in whole.schema.metadata.items()} | (metadata or {})
    made = pa.record_batch(list(kept.values()), names=list(kept))
    return write_record(made.replace_schema_metadata({key: text for key, text in told.items() if text}))


@pytest.mark.parametrize(("rows", "scores"), [(4, 1), (1, 3), (0, 1)])
def test_what_is_encoded_is_decoded(rows: int, scores: int) -> None:
    whole = batch(rows, scores)
    same(whole, decode_outcomes(encode_outcomes(whole)))


def test_the_champions_scores_go_with_those_of_a_shadow() -> None:
    shadow = replace(batch(), champion_scores=batch().scores + 1)
    same(shadow, decode_outcomes(encode_outcomes(shadow)))


def test_a_label_that_replaces_none_is_no_correction() -> None:
    decoded = decode_outcomes(encode_outcomes(batch()))
    assert decoded.correction.tolist() == [False, True, False, True]
    none = replace(batch(), replaced=np.full(4, np.nan))
    assert read_record(encode_outcomes(none)).column("replaced").null_count == 4


def test_what_a_later_format_may_add_is_passed_over() -> None:
    same(batch(), decode_outcomes(changed(more=pa.array(range(4)))))


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        ("request_id", None),
        ("request_id", pa.array(["a" * 16] * 4)),
        ("row", pa.array([0, 1, 2, -1], pa.int32())),
        ("row", pa.array([0, 1, 2, None], pa.int32())),
        ("event_time", pa.array([0] * 4, pa.timestamp("us"))),
        ("event_time", pa.array([-(2**63)] * 4, pa.int64()).view(pa.timestamp("us", "UTC"))),
        ("label", pa.array([0.0, 1.0, 1.0, float("nan")])),
        ("label", pa.array([0.0, 1.0, 1.0, None])),
        ("label", pa.array([0, 1, 1, 0])),
        ("label_time", pa.array([2**62] * 4, pa.int64()).view(pa.timestamp("us", "UTC"))),
        ("business", pa.array([0] * 4, pa.int8())),
        ("replaced", pa.array([None, 1.0, 1.0, float("nan")])),
        ("replaced", pa.array([None, 1.0, 1.0, float("inf")])),
        ("replaced", pa.array(["0"] * 4)),
        ("scores", pa.array([0.5] * 4, pa.float32())),
        ("scores", pa.array([None, *[[0.5]] * 3], pa.list_(pa.float32(), 1))),
        ("scores", pa.array([[float("inf")], *[[0.5]] * 3], pa.list_(pa.float32(), 1))),
        ("source_partition", None),
        ("source_partition", pa.array([0, 1, 2, -1], pa.int32())),
        ("source_offset", pa.array([0, 1, 2, -1])),
        ("source_offset", pa.array([0, 1, 2, None])),
        ("champion_scores", pa.array([[0.5, 0.5]] * 4, pa.list_(pa.float32(), 2))),
        ("champion_scores", pa.array([[float("inf")], *[[0.5]] * 3], pa.list_(pa.float32(), 1))),
    ],
)
def test_a_column_of_another_type_or_out_of_bounds_is_named(column: str, wrong: pa.Array | None) -> None:
    with pytest.raises(Unreadable, match=column):
        decode_outcomes(changed(**{column: wrong}))


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("format", "2"),
        ("model", "../../etc"),
        ("digest", "A" * 64),
        ("definition_digest", ""),
        ("role", "king"),
        ("producer", "a b"),
        ("sequence", "-1"),
        ("rows_so_far", "9" * 19),
    ],
)
def test_metadata_that_breaks_the_contract_is_named(entry: str, wrong: str) -> None:
    with pytest.raises(Unreadable, match=f"`{entry}`"):
        decode_outcomes(changed({entry: wrong}))


def test_what_is_no_arrow_stream_is_unreadable() -> None:
    for value in (b"", b"{}", encode_outcomes(batch())[:-40]):
        with pytest.raises(Unreadable, match="outcome batch"):
            decode_outcomes(value)
