from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from shared.arrow_ipc import write_record
from shared.batch import decode_batch, encode_batch
from shared.errors import Unreadable
from shared.features import Rows
from tests.unit.shared.batches import TRACE, batch, record, same, with_columns, with_metadata


@pytest.mark.parametrize(
    ("rows", "numeric", "categorical", "scores"), [(5, 3, 2, 1), (1, 0, 1, 3), (4, 2, 0, 1), (0, 2, 1, 1)]
)
def test_what_is_encoded_is_decoded(rows: int, numeric: int, categorical: int, scores: int) -> None:
    whole = batch(rows, numeric, categorical, scores)
    same(whole, decode_batch(encode_batch(whole)))
    champion = replace(whole, meta=replace(whole.meta, role="champion"), champion_scores=None)
    same(champion, decode_batch(encode_batch(champion)))


def test_rows_tell_their_traces_and_where_there_are_none_there_is_no_column() -> None:
    whole = batch()
    assert "traceparent" not in pa.ipc.open_stream(encode_batch(whole)).schema.names
    traced = replace(whole, traceparent=[TRACE, None, TRACE, None, None])
    value = encode_batch(traced)
    assert pa.ipc.open_stream(value).schema.names[-1] == "traceparent"  # what others know stays where it was
    same(traced, decode_batch(value))
    same(replace(traced, traceparent=None), decode_batch(with_columns()))


def test_chosen_rows_are_a_batch_of_their_own() -> None:
    whole = replace(batch(), traceparent=[TRACE, None, TRACE, None, None])
    chosen = np.array([True, False, False, True, True])
    part = whole[chosen]
    same(part, decode_batch(encode_batch(part)))
    assert (len(part), part.meta, part.traceparent) == (3, whole.meta, [TRACE, None, None])
    assert part.request_id == [whole.request_id[at] for at in (0, 3, 4)]
    assert part.champion_scores is not None
    np.testing.assert_array_equal(part.champion_scores, whole.champion_scores[chosen])  # type: ignore[index]


def test_missing_numbers_stay_missing() -> None:
    whole = batch()
    numeric = np.full_like(whole.rows.numeric, np.nan)
    decoded = decode_batch(encode_batch(replace(whole, rows=Rows(numeric, whole.rows.categorical))))
    assert np.isnan(decoded.rows.numeric).all()


def test_a_slice_of_a_larger_batch_is_encoded_as_it_is() -> None:
    whole = batch(rows=100)
    part = slice(37, 60, 2)
    sliced = replace(
        whole,
        request_id=whole.request_id[part],
        row=whole.row[part],
        entity=whole.entity[part],
        event_time=whole.event_time[part],
        repeat=whole.repeat[part],
        rows=whole.rows[part],
        scores=whole.scores[part],
        latency_us=whole.latency_us[part],
        champion_scores=None if whole.champion_scores is None else whole.champion_scores[part],
    )
    same(sliced, decode_batch(encode_batch(sliced)))


def test_a_sliced_arrow_batch_is_read_from_its_offset() -> None:
    decoded = decode_batch(write_record(record().slice(2, 2)))
    assert decoded.row.tolist() == [2, 3]
    assert decoded.request_id == batch().request_id[2:4]
    np.testing.assert_array_equal(decoded.rows.numeric, batch().rows.numeric[2:4])


FLOATS = pa.array(np.zeros(15, np.float32))


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        ("request_id", None),
        ("request_id", pa.array(["a" * 16] * 5)),
        ("request_id", pa.array([b"a" * 15] * 5, pa.binary(15))),
        ("request_id", pa.array([b"a" * 16] * 4 + [None], pa.binary(16))),
        ("row", pa.array(range(5), pa.int64())),
        ("row", pa.array([0, 1, 2, 3, None], pa.int32())),
        ("row", pa.array([0, 1, 2, 3, -1], pa.int32())),
        ("entity", pa.array(range(5))),
        ("entity", pa.array([["N1"]] * 5)),
        ("entity", pa.nulls(5)),
        ("event_time", pa.array([0] * 5, pa.timestamp("us"))),
        ("event_time", pa.array([0] * 5, pa.timestamp("ns", "UTC"))),
        ("event_time", pa.array([0] * 5, pa.timestamp("us", "Europe/Paris"))),
        ("event_time", pa.array([-(2**63)] * 5, pa.int64()).view(pa.timestamp("us", "UTC"))),
        ("event_time", pa.array([2**62] * 5, pa.int64()).view(pa.timestamp("us", "UTC"))),
        ("repeat", pa.array([0] * 5, pa.int8())),
        ("numeric", pa.array([[1.0, 2.0, 3.0]] * 5, pa.list_(pa.float32()))),
        ("numeric", pa.array([[1.0, 2.0, 3.0]] * 5, pa.list_(pa.float64(), 3))),
        ("numeric", pa.array([["a", "b", "c"]] * 5, pa.list_(pa.string(), 3))),
        ("numeric", pa.array([[1.0, None, 3.0]] * 5, pa.list_(pa.float32(), 3))),
        ("numeric", pa.array([None, *[[1.0, 2.0, 3.0]] * 4], pa.list_(pa.float32(), 3))),
        ("numeric", pa.array([[1.0, float("inf"), 3.0]] * 5, pa.list_(pa.float32(), 3))),
        ("numeric", pa.array([1.0] * 5, pa.float32())),
        ("categorical", pa.array([[0.5, float("nan")]] * 5, pa.list_(pa.float32(), 2))),
        ("categorical", pa.array([[0, -3]] * 5, pa.list_(pa.int32(), 2))),
        ("scores", pa.array([None, *[[0.5]] * 4], pa.list_(pa.float32(), 1))),
        ("latency_us", pa.array(["1"] * 5)),
        ("champion_scores", pa.array([[0.5, 0.5]] * 5, pa.list_(pa.float32(), 2))),
        ("traceparent", pa.array([TRACE] * 5, pa.large_string())),
        ("traceparent", pa.array([TRACE[:-1], *[TRACE] * 4])),
        ("traceparent", pa.array([None] * 4 + [TRACE + "-more"])),
    ],
)
def test_a_column_of_another_type_or_out_of_bounds_is_named(column: str, wrong: pa.Array | None) -> None:
    with pytest.raises(Unreadable, match=column):
        decode_batch(with_columns(**{column: wrong}))


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("format", "2"),
        ("format", None),
        ("model", "../../etc"),
        ("model", "flights\n"),
        ("model", None),
        ("digest", "../" + "a" * 61),
        ("digest", "A" * 64),
        ("definition_digest", ""),
        ("role", "king"),
        ("producer", ""),
        ("producer", "p" * 201),
        ("sequence", "-1"),
        ("sequence", "1e3"),
        ("sequence", "9" * 19),
        ("rows_so_far", None),
        ("rows_so_far", "٣"),
    ],
)
def test_metadata_that_breaks_the_contract_is_named(entry: str, wrong: str | None) -> None:
    with pytest.raises(Unreadable, match=f"`{entry}`"):
        decode_batch(with_metadata(**{entry: wrong}))


def test_what_a_later_format_may_add_is_passed_over() -> None:
    added = with_columns(more=pa.array(range(5)))
    same(batch(), decode_batch(added))


def test_a_column_that_is_there_twice_is_refused() -> None:
    whole = record()
    twice = pa.record_batch([*whole.columns, whole.column("row")], names=[*whole.schema.names, "row"])
    with pytest.raises(Unreadable, match="row"):
        decode_batch(write_record(twice.replace_schema_metadata(whole.schema.metadata)))
