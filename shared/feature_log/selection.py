"""Which rows and labels belong in a snapshot: the point-in-time join."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from shared.definition import LabelKind
from shared.errors import InvalidInput
from shared.feature_log.bounds import Bounds, wanted_rows
from shared.feature_log.reading import dataset
from shared.feature_log.schema import LABELS, TIME, TableKind, features_of

KEY = ["request_id", "row"]
_ROW = [("request_id", pa.binary()), ("row", pa.int32()), ("entity", pa.string()), ("event_time", TIME)]
_LABEL = [("label", pa.float64()), ("label_time", TIME)]
_OF_LABELS = [*KEY, "event_time", "value", "log_time", "source_partition", "source_offset", "source_row"]


@dataclass(frozen=True)
class Sources:
    """A model's tables at the versions to read; None where there is none."""

    predictions: DeltaTable | None
    labels: DeltaTable | None
    history: DeltaTable | None

    def items(self) -> Iterator[tuple[TableKind, DeltaTable]]:
        """Those that are there, by kind."""
        if self.predictions is not None:
            yield "predictions", self.predictions
        if self.labels is not None:
            yield "labels", self.labels
        if self.history is not None:
            yield "history", self.history


@dataclass(frozen=True)
class LeftOut:
    """How many labels from `start` on, of the selected rows, do not count: `unfit` are no value of the label's kind
    (binary: 0 or 1, regression: finite), `early` are older than their row and would leak. Labels of before `start` are
    older than any row: they are neither read nor counted.
    """

    unfit: int = 0
    early: int = 0

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(self.unfit + other.unfit, self.early + other.early)


def select_rows(sources: Sources, bounds: Bounds) -> tuple[pa.Table, LeftOut]:
    """The snapshot's rows, as `Snapshot.table` describes them, and the labels that do not count.

    Raises:
        InvalidInput: a feature has one type in the predictions and another in the history.
    """
    schema = _schema(sources)
    logged, logged_out = _logged(sources, bounds, schema)
    history, history_out = _history(sources, bounds, schema)
    both = pa.concat_tables([logged, history])  # no feature begins with `_`
    # What was logged comes first, so it wins over a history row with the same key, unless that alone has a label.
    ranked = both.append_column("_source", pa.array([0] * len(logged) + [1] * (len(both) - len(logged)), pa.int8()))
    ranked = ranked.append_column("_bare", ranked.column("label").is_null().cast(pa.int8()))
    once = first_of_each(ranked, ["_bare", "_source", "event_time"]).select(schema.names)
    ordered = once.sort_by([(name, "ascending") for name in ("event_time", *KEY)]).combine_chunks()
    return ordered.cast(schema), logged_out + history_out


def first_of_each(table: pa.Table, order: list[str | tuple[str, str]]) -> pa.Table:
    """Of the rows with the same (request_id, row) the first in `order` (a name, or a name and its direction)."""
    keys = [item if isinstance(item, tuple) else (item, "ascending") for item in [*KEY, *order]]
    ordered = table.sort_by(keys).combine_chunks()
    if len(ordered) < 2:
        return ordered
    differs = [_differs(ordered.column(name).chunk(0)) for name in KEY]
    first = pa.concat_arrays([pa.array([True]), pc.call_function("or", differs)])
    return ordered.filter(first)


def _differs(column: pa.Array) -> pa.Array:
    return pc.call_function("not_equal", [column.slice(1), column.slice(0, len(column) - 1)])


def _schema(sources: Sources) -> pa.Schema:
    features: dict[str, pa.Field] = {}
    for table in (sources.predictions, sources.history):
        for field in features_of(dataset(table).schema) if table else []:
            if features.setdefault(field.name, field).type != field.type:
                raise InvalidInput(field.name, "has one type in the predictions and another in the history")
    ordered = [features[name] for name in sorted(features)]
    return pa.schema([*_ROW, *ordered, ("score", pa.float32()), *_LABEL])


def _logged(sources: Sources, bounds: Bounds, schema: pa.Schema) -> tuple[pa.Table, LeftOut]:
    if sources.predictions is None or (sources.labels is None and bounds.labels == "required"):
        return schema.empty_table(), LeftOut()
    rows = _champion_rows(sources.predictions, bounds, schema)
    made = rows.select([*KEY, "event_time"])
    labels = _labels(sources.labels, bounds).join(made, keys=KEY, join_type="inner")
    # A label that does not count must not hide an earlier one that does, so it goes before the latest is chosen.
    labels, left_out = _sifted(labels, bounds.label_kind)
    how = "left outer" if bounds.labels == "left" else "inner"
    return rows.join(_latest(labels), keys=KEY, join_type=how).select(schema.names).cast(schema), left_out


def _champion_rows(predictions: DeltaTable, bounds: Bounds, schema: pa.Schema) -> pa.Table:
    source = dataset(predictions)
    present = [name for name in schema.names if name in source.schema.names]
    columns = [*present, "scores", "source_partition", "source_offset", "source_row"]
    table = source.to_table(columns=columns, filter=wanted_rows("predictions", bounds))
    table = first_of_each(table, ["event_time", "source_partition", "source_offset", "source_row"])
    table = table.append_column("score", pc.call_function("list_element", [table.column("scores"), 0]))
    return _filled(table, pa.schema([field for field in schema if field.name not in ("label", "label_time")]))


def _labels(labels: DeltaTable | None, bounds: Bounds) -> pa.Table:
    if labels is None:
        table = LABELS.empty_table().select(_OF_LABELS)
    else:
        table = dataset(labels).to_table(columns=_OF_LABELS, filter=wanted_rows("labels", bounds))
    return table.rename_columns({"value": "label", "event_time": "label_time"})


def _latest(labels: pa.Table) -> pa.Table:
    # The latest event time wins; the same time again is a repeat, so then the one that was logged first.
    order: list[str | tuple[str, str]] = [("label_time", "descending"), "log_time"]
    order += ["source_partition", "source_offset", "source_row"]
    return first_of_each(labels, order).select([*KEY, "label", "label_time"])


def _sifted(rows: pa.Table, kind: LabelKind | None) -> tuple[pa.Table, LeftOut]:
    """The rows (with `event_time`, `label`, `label_time`) whose label counts."""
    if kind is None:
        return rows, LeftOut()
    call, label = pc.call_function, rows.column("label")
    fits = call("is_finite", [label])
    if kind == "binary":
        fits = call("or", [call("equal", [label, 0.0]), call("equal", [label, 1.0])])
    leaks = call("less", [rows.column("label_time"), rows.column("event_time")])
    unfit, early = call("invert", [fits]), call("and", [fits, leaks])
    left_out = LeftOut(*(call("sum", [each]).as_py() or 0 for each in (unfit, early)))
    return rows.filter(call("and_not", [fits, leaks])), left_out


def _history(sources: Sources, bounds: Bounds, schema: pa.Schema) -> tuple[pa.Table, LeftOut]:
    if sources.history is None:
        return schema.empty_table(), LeftOut()
    source = dataset(sources.history)
    present = [name for name in schema.names if name in source.schema.names]
    logged = pa.schema([*schema, ("log_time", TIME)])
    rows = _filled(source.to_table(columns=[*present, "log_time"], filter=wanted_rows("history", bounds)), logged)
    labelled = rows if bounds.labels == "required" else rows.filter(_known_label(bounds))
    table, left_out = _sifted(labelled, bounds.label_kind)
    if bounds.labels == "left":
        bare = rows.drop_columns([field for field, _ in _LABEL])
        table = pa.concat_tables([table, _filled(bare, logged)])
    # As of logged labels: of the same time the one that was imported first. Rows of one import may still differ; all
    # columns together decide which comes first. Nulls are last in either direction, so a row without label comes after
    # the same row with one.
    order = [("label_time", "descending"), "log_time", *(name for name in schema.names if name not in KEY)]
    return first_of_each(table, order).select(schema.names), left_out


def _known_label(bounds: Bounds) -> ds.Expression:
    return ds.field("label").is_valid() & (ds.field("label_time") <= pa.scalar(bounds.as_of, TIME))


def _filled(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of `schema`, those that the table lacks as nulls."""
    missing = [field for field in schema if field.name not in table.column_names]
    for field in missing:
        table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(schema.names).cast(schema)
