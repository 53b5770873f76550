"""Which rows are an entity's, and what is left of them."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from shared.feature_log.forgotten import FORGOTTEN, Order
from shared.feature_log.schema import TIME
from shared.feature_log.sealing import entity_hash

# What says where a row stood and when, and which version answered: of nobody, without all the rest.
KEPT = frozenset(
    {
        *("row", "event_time", "event_day", "log_time", "label_time", "repeat", "business"),
        *("bundle_digest", "definition_digest", "producer", "sequence", "rows_so_far"),
        *("source_partition", "source_offset", "source_row", "label_partition", "label_offset", "label_row"),
        *("trigger_topic", "trigger_partition", "trigger_offset", "number"),
    }
)
Key = tuple[bytes, int]


def of_entities(rows: pa.Table, entities: Collection[str]) -> pa.Array:
    """Which rows are of one of them, bool [n]."""
    entity = rows.column("entity").combine_chunks()
    return pc.call_function("is_in", [entity], pc.SetLookupOptions(pa.array(sorted(entities), pa.string())))


def of_keys(rows: pa.Table, keys: Collection[Key]) -> pa.Array:
    """Which rows have one of these (request_id, row), bool [n]."""
    each = zip(rows.column("request_id").to_pylist(), rows.column("row").to_pylist(), strict=True)
    return pa.array([key in keys for key in each], pa.bool_())


def keys_of(rows: pa.Table) -> set[Key]:
    """The (request_id, row) of rows."""
    return set(zip(rows.column("request_id").to_pylist(), rows.column("row").to_pylist(), strict=True))


def conceal(rows: pa.Table, which: pa.Array) -> pa.Table:
    """The rows, of those chosen only what is KEPT, and the mark FORGOTTEN in `role`."""
    for position, field in enumerate(rows.schema):
        if field.name not in KEPT:
            nothing = pa.scalar(FORGOTTEN if field.name == "role" else None, field.type)
            column = rows.column(field.name).combine_chunks()
            rows = rows.set_column(position, field, pc.call_function("if_else", [which, nothing, column]))
    return rows


def without(rows: pa.Table, which: pa.Array) -> pa.Table:
    """The rows that are not chosen."""
    return rows.filter(pc.call_function("invert", [which]))


def conceal_ordered(rows: pa.Table, orders: Sequence[Order], secret: bytes) -> pa.Table:
    """Rows of a model that are to be written, those concealed that were logged before it was ordered to forget them."""
    first = pc.call_function("min", [rows.column("log_time")]).as_py()
    for order in orders:
        if first <= order.time:
            entities = rows.column("entity").unique().drop_null().to_pylist()
            mine = of_entities(rows, [entity for entity in entities if entity_hash(secret, entity) == order.entity])
            before = pc.call_function(
                "less_equal", [rows.column("log_time").combine_chunks(), pa.scalar(order.time, TIME)]
            )
            rows = conceal(rows, pc.call_function("and", [mine, before]))
    return rows
