"""How a table's schema may change: columns are added, never retyped."""

import pyarrow as pa

from shared.feature_log.schema import form_of


def changed_type(table: pa.Schema, rows: pa.Schema) -> tuple[str, str] | None:
    """(name, what was expected) of the first column that `rows` have in another type than the table, or hashed or
    encrypted where that is not; None if none.
    """
    known = {field.name: form_of(field) for field in table}
    for field in rows:
        needed = form_of(field)
        there = known.get(field.name, needed)
        if there != needed:
            return field.name, f"is {there} in the log and can't become {needed}; give the feature a new name"
    return None


def new_columns(table: pa.Schema, rows: pa.Schema) -> list[pa.Field]:
    """The columns that the table lacks."""
    there = set(table.names)
    return [field for field in rows if field.name not in there]


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns of `schema` in its order; what they lack is null."""
    count, there = len(rows), set(rows.column_names)
    columns = [rows.column(field.name) if field.name in there else pa.nulls(count, field.type) for field in schema]
    return pa.table(columns, schema=schema)
