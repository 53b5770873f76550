"""Views of the log's tables as SQL (DataFusion's). `{model}` is the schema that a model's tables are in.

Columns that no view shows begin with `_`, as no feature does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.definition import LabelKind, ModelDefinition
from shared.monitoring import Monitoring

# Rows further ahead of their message's LogAppendTime than this, or older than this, move no clock.
_CLOCK = "event_time <= log_time + INTERVAL '5 minutes' AND event_time >= TIMESTAMP '1900-01-01T00:00:00Z'"
_PLACE = "source_partition, source_offset, source_row"
# Which labels are values of their kind.
_FITS: dict[LabelKind | None, str] = {
    "binary": "l.value IN (0.0, 1.0)",
    "regression": "abs(l.value) < CAST('Infinity' AS DOUBLE)",
}


@dataclass(frozen=True)
class Moment:
    """What was known at a time: by event time and, unless events were replayed, by the log's clock."""

    time: datetime
    replayed: bool = False

    def known(self, table: str) -> str:
        """A condition on the rows of a table."""
        names = ("event_time",) if self.replayed else ("event_time", "log_time")
        # Written as TIMESTAMP '...' it would be one of nanoseconds, which end in 2262.
        time = f"arrow_cast('{self.time.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
        return " AND ".join(f"{table}.{name} <= {time}" for name in names)


def quoted(model: str) -> str:
    """A model's name as SQL takes it, also where it is a word of SQL's own, such as `table`."""
    return f'"{model}"'


def views(
    model: str, kinds: Iterable[str], moment: Moment | None, definition: ModelDefinition | None
) -> dict[str, str]:
    """The statements that make a model's views, by their names, as far as it has the tables that they need."""
    there, found, model = set(kinds), {}, quoted(model)
    if "predictions" in there:
        found["late"] = _late(model, (Monitoring() if definition is None else definition.monitoring).lateness_seconds)
    if {"predictions", "labels"} <= there:
        found["joined"] = _joined(model, moment, None if definition is None else definition.label.kind)
    return {name: f"CREATE VIEW {model}.{name} AS {select}" for name, select in found.items()}


def _joined(model: str, moment: Moment | None, kind: LabelKind | None) -> str:
    """Each prediction beside its latest label, or the latest known at a moment; null where there is none.

    A label older than its row would leak and does not count, nor does one that is no value of its kind; of two with the
    same time that logged first does. Snapshots go by the same rules.
    """
    rows, labels = (f"AND {moment.known(table)}" if moment else "" for table in ("p", "l"))
    place = ", ".join(f"p.{name}" for name in _PLACE.split(", "))
    logged = ", ".join(f"l.{name}" for name in ("log_time", *_PLACE.split(", ")))
    return f"""
        SELECT * EXCEPT (_rank) FROM (
            SELECT p.*, l.value AS label, l.event_time AS label_time, l.log_time AS label_log_time,
                row_number() OVER (PARTITION BY {place} ORDER BY l.event_time DESC NULLS LAST, {logged}) AS _rank
            FROM {model}.predictions AS p LEFT JOIN {model}.labels AS l
                ON p.request_id = l.request_id AND p.row = l.row
                AND l.event_time >= p.event_time AND {_FITS.get(kind, "true")} {labels}
            WHERE true {rows}
        ) WHERE _rank = 1"""  # noqa: S608  # a model's name is one word


def _late(model: str, lateness_seconds: int) -> str:
    """Rows more than the lateness behind the highest event time at lower offsets of their own partition."""
    return f"""
        SELECT p.*, b.highest AS highest_before
        FROM {model}.predictions AS p JOIN (
            SELECT source_partition AS partition, source_offset AS offset, max(highest) OVER (
                PARTITION BY source_partition ORDER BY source_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS highest
            FROM (
                SELECT source_partition, source_offset, max(CASE WHEN {_CLOCK} THEN event_time END) AS highest
                FROM {model}.predictions GROUP BY source_partition, source_offset
            )
        ) AS b ON p.source_partition = b.partition AND p.source_offset = b.offset
        WHERE p.event_time < b.highest - INTERVAL '{lateness_seconds} seconds'"""  # noqa: S608
