"""Taking a file of history into its table, once."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.feature_logging.domain.evolution import changed_type
from services.feature_logging.domain.history import history_rows
from services.feature_logging.domain.privacy import Secrets, keyed_ids, protect
from services.feature_logging.store.compactor import record
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.feature_log.reading import open_table
from shared.feature_log.schema import table_path


@dataclass(frozen=True)
class Imported:
    """`rows` of the file; `added` is False if the table had this file already; `version` of the table now."""

    model: str
    rows: int
    added: bool
    version: int


def import_history(tables: Path, definition: ModelDefinition, file: Path, secrets: Secrets) -> Imported:
    """Add the rows of a Parquet file to a model's history, unless the same file was added before.

    Raises:
        InvalidInput: the file is no Parquet, or a column is not as `history_rows` and the log's tables have it.
        OSError: the file can't be read or the table not written.
        Fenced: another import was under way; try again.
    """
    content = file.read_bytes()
    rows = _protected(_parquet(content), definition, secrets)
    predictions = open_table(table_path(tables, definition.name, "predictions"))
    table = LogTable(Place(table_path(tables, definition.name, "history"), rows.schema))
    for schema in (table.schema, pa.schema(predictions.schema()) if predictions else table.schema):
        if changed := changed_type(schema, rows.schema):
            raise InvalidInput(*changed)
    app = f"history/{hashlib.sha256(content).hexdigest()}"
    added = table.version_of(app) == 0
    if added:
        record(table, rows, app)
    return Imported(definition.name, len(rows), added, table.delta.version())


def _protected(file: pa.Table, definition: ModelDefinition, secrets: Secrets) -> pa.Table:
    rows = history_rows(file, definition, datetime.now(UTC))
    if "request_id" not in file.column_names:
        rows = keyed_ids(rows, definition, secrets)
    return protect(rows, definition, secrets)


def _parquet(content: bytes) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(content))
    except pa.ArrowException as error:
        raise InvalidInput("file", f"is no Parquet file that can be read: {error}") from error
