"""From messages to spans: offsets of one partition without a gap, of one hour."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.feature_log.schema import REJECTED_NAME


class Span(NamedTuple):
    """Offsets `first` to `last`, all of them there. `rows` of the models' tables; `rejected` messages; `repeats` are
    rows that are there twice, `holes` rows that are missing inside messages.
    """

    hour: datetime
    first: int
    last: int
    messages: int
    rows: int
    rejected: int
    repeats: int
    holes: int


def joined(parts: Sequence[Span]) -> Span:
    """Spans that follow on each other, as one."""
    sums = (sum(numbers) for numbers in zip(*(part[3:] for part in parts), strict=True))
    return Span(parts[0].hour, parts[0].first, parts[-1].last, *sums)


def spans(messages: pa.Table, most_rows: int) -> list[Span]:
    """The spans of MESSAGES of one partition, from all tables; a new one begins after about `most_rows` rows."""
    if not len(messages):
        return []
    each = _each(messages)
    offset, hour, rows = (each.column(name).to_numpy() for name in ("offset", "hour_min", "rows_sum"))
    full = np.diff(np.cumsum(rows) // most_rows) != 0
    cuts = np.flatnonzero((np.diff(offset) != 1) | (np.diff(hour).astype(np.int64) != 0) | full) + 1
    starts = np.concatenate([np.zeros(1, np.int64), cuts])
    ends = np.append(cuts, len(each)) - 1
    sums = [np.add.reduceat(each.column(name).to_numpy(), starts).tolist() for name in _SUMS]
    hours = each.column("hour_min").take(pa.array(starts)).to_pylist()
    told = zip(hours, offset[starts].tolist(), offset[ends].tolist(), (ends - starts + 1).tolist(), *sums, strict=True)
    return [Span(*facts) for facts in told]


_SUMS = ("rows_sum", "rejected_sum", "repeats", "holes_sum")


def _each(messages: pa.Table) -> pa.Table:
    """What there is of each offset, in order. A message of labels may have rows in two tables of its model."""
    call = pc.call_function
    table = messages.column("table").combine_chunks()
    model = call("list_element", [call("split_pattern", [table], pc.SplitPatternOptions("/")), 0])
    rejected = call("equal", [table, REJECTED_NAME])
    facts = messages.append_column("model", model).append_column("rejected", rejected.cast(pa.int64()))
    held = [("hour", "min"), ("rows", "sum"), ("distinct", "sum"), ("highest", "max"), ("rejected", "sum")]
    by_model = facts.group_by(["model", "offset"]).aggregate(held)
    rows, distinct, highest, unread = (
        by_model.column(name).to_numpy() for name in ("rows_sum", "distinct_sum", "highest_max", "rejected_sum")
    )
    missing = np.where(unread > 0, 0, highest + 1 - distinct)
    extra = rows - distinct - missing.clip(max=0)
    counted = pa.table(
        {
            "offset": by_model.column("offset"),
            "hour": by_model.column("hour_min"),
            "rows": np.where(unread > 0, 0, rows),
            "rejected": (unread > 0).astype(np.int64),
            "extra": extra,
            "holes": missing.clip(min=0),
        }
    )
    sums = [("rows", "sum"), ("rejected", "sum"), ("extra", "sum"), ("holes", "sum"), ("offset", "count")]
    each = counted.group_by("offset").aggregate([("hour", "min"), *sums]).sort_by("offset")
    repeats = each.column("extra_sum").to_numpy() + each.column("offset_count").to_numpy() - 1
    return each.append_column("repeats", pa.array(repeats))
