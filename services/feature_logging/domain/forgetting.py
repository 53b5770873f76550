"""Which rows are an entity's, and what is left of them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from services.feature_logging.domain.pairs import Meeting
from shared.feature_log.forgotten import FORGOTTEN, Order
from shared.feature_log.schema import OWN, TIME
from shared.feature_log.sealing import entity_hash

# What says where a row stood and when, and which version answered: of nobody, without all the rest. A feature may have
# the name of a column of another kind of table, such as `number`, and is not kept for it.
KEPT = frozenset(
    {
        *("row", "event_time", "event_day", "log_time", "label_time", "label_log_time", "repeat", "business"),
        *("bundle_digest", "definition_digest", "producer", "sequence", "rows_so_far"),
        *("source_partition", "source_offset", "source_row", "label_partition", "label_offset", "label_row"),
        *("trigger_topic", "trigger_partition", "trigger_offset", "number"),
    }
)
Key = tuple[bytes, int]


class Came(NamedTuple):
    """Rows of a message that are to be written into a table of a model."""

    model: str
    rows: pa.Table


class Conceals(Protocol):
    """Who knows what is to be forgotten of that which is about to be written, now."""

    def labels(self, came: Sequence[Came]) -> pa.Table:
        """The labels of one model's messages, those concealed that are of forgotten rows."""
        ...

    def meetings(self, model: str, found: Sequence[Meeting]) -> Sequence[Meeting]:
        """Those that are not of forgotten rows."""
        ...


class Nobody:
    """Of whom nothing is to be forgotten."""

    def labels(self, came: Sequence[Came]) -> pa.Table:
        """All as they are."""
        return pa.concat_tables([each.rows for each in came])

    def meetings(self, model: str, found: Sequence[Meeting]) -> Sequence[Meeting]:  # noqa: ARG002  # see Conceals
        """All of them."""
        return found


def of_entities(rows: pa.Table, entities: Collection[str]) -> pa.Array:
    """Which rows are of one of them, bool [n]."""
    entity = rows.column("entity").combine_chunks()
    return pc.call_function("is_in", [entity], pc.SetLookupOptions(pa.array(sorted(entities), pa.string())))


def logged_of(rows: pa.Table, entities: Collection[str], until: datetime) -> pa.Array:
    """Which rows are of one of them, and were logged up to a time, bool [n]."""
    before = pc.call_function("less_equal", [rows.column("log_time").combine_chunks(), pa.scalar(until, TIME)])
    return pc.call_function("and", [of_entities(rows, entities), before])


def of_keys(rows: pa.Table, keys: Collection[Key]) -> pa.Array:
    """Which rows have one of these (request_id, row), bool [n]."""
    return pa.array([key in keys for key in keys_of(rows)], pa.bool_())


def keys_of(rows: pa.Table) -> list[Key]:
    """The (request_id, row) of rows."""
    return list(zip(rows.column("request_id").to_pylist(), rows.column("row").to_pylist(), strict=True))


def conceal(kind: str, rows: pa.Table, which: pa.Array) -> pa.Table:
    """The rows of a kind of table, of those chosen only what is KEPT, and the mark FORGOTTEN in `role`."""
    kept = KEPT.intersection(OWN[kind].names)
    for position, field in enumerate(rows.schema):
        if field.name not in kept:
            nothing = pa.scalar(FORGOTTEN if field.name == "role" else None, field.type)
            column = rows.column(field.name).combine_chunks()
            rows = rows.set_column(position, field, pc.call_function("if_else", [which, nothing, column]))
    return rows


def without(rows: pa.Table, which: pa.Array) -> pa.Table:
    """The rows that are not chosen."""
    return rows.filter(pc.call_function("invert", [which]))


def ordered(rows: pa.Table, order: Order, secret: bytes) -> pa.Array | None:
    """Which rows of a model are to be forgotten by an order, bool [n]; None if none is."""
    entities = rows.column("entity").unique().drop_null().to_pylist()
    mine = [entity for entity in entities if entity_hash(secret, entity) == order.entity]
    found = logged_of(rows, mine, order.time)
    return found if pc.call_function("any", [found]).as_py() else None
