"""How a table's schema may change: columns are added, never retyped."""

import pyarrow as pa


def changed_type(table: pa.Schema, rows: pa.Schema) -> tuple[str, str] | None:
    """(name, what was expected) of the first column that `rows` have in another type than the table; None if none."""
    for field in rows:
        known = table.field(field.name) if field.name in table.names else field
        if known.type != field.type:
            return field.name, f"is {known.type} in the log and can't become {field.type}; give the feature a new name"
    return None


def new_columns(table: pa.Schema, rows: pa.Schema) -> list[pa.Field]:
    """The columns that the table lacks."""
    return [field for field in rows if field.name not in table.names]


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns of `schema` in its order; what they lack is null."""
    count = len(rows)
    columns = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(count, field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)
