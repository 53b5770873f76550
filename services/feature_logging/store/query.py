"""SQL over the tables, read only."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from services.feature_logging.domain.views import Moment, quoted, views
from shared.definition import ModelDefinition
from shared.errors import InvalidInput
from shared.feature_log.forgotten import SCHEMA as FORGOTTEN
from shared.feature_log.proof.restated import SCHEMA as RESTATED
from shared.feature_log.reading import check_model, models_in, open_table
from shared.feature_log.retired import SCHEMA as RETIRED
from shared.feature_log.schema import GAPS, LABELS, PROOF, REJECTED
from shared.printed import plain
from shared.storage import folders_in

# What begins a query. DataFusion also knows COPY, which writes files, CREATE EXTERNAL TABLE, which reads any, and
# EXPLAIN ANALYZE, which does what it explains. It takes one statement at a time.
_QUERY = re.compile(r"(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/|\()*(?:SELECT|WITH|VALUES|DESCRIBE)\b", re.IGNORECASE)
_RENAMED = {"rejected": "dead_letters"}
_OWN = {"dead_letters": REJECTED, "forgotten": FORGOTTEN, "gaps": GAPS, "proof": PROOF, "restated": RESTATED}
_OWN |= {"retired": RETIRED}


@dataclass(frozen=True)
class View:
    """What a query sees: the tables of all models as `model.table`, those of `model` also by their names alone.

    `moment` is that of `joined`, None: now. `definition_of` gives a model's definition, if it is known: it says which
    labels count in `joined`, and the lateness of `late`.
    """

    model: str | None
    moment: Moment | None
    definition_of: Callable[[str], ModelDefinition | None] = lambda _: None


def run_query(tables: Path, sql: str, view: View) -> pa.RecordBatchReader:
    """The answer of one statement that only reads; its batches come as they are read.

    Raises:
        InvalidInput: it is no query, does not fit the tables (the text says which there are), or gives two columns one
            name.
    """
    if view.model is not None:
        check_model(tables, view.model)
    if not _QUERY.match(sql):
        raise InvalidInput("SQL", "one statement that only reads is needed: SELECT, WITH, VALUES or DESCRIBE")
    builder = QueryBuilder()
    with TemporaryDirectory() as folder:
        empty = Path(folder)
        known = list(_register(builder, tables, empty, sql, view))
        known += _register_empty(builder, empty, sql, known)
        try:
            reader = pa.RecordBatchReader.from_stream(builder.execute(sql))
        except DeltaError as error:
            raise InvalidInput("SQL", f"{_line(error)} (tables and views: {', '.join(sorted(known))})") from error
    _check_names(reader.schema.names)
    return reader


def _check_names(names: Sequence[str]) -> None:
    if twice := sorted(name for name in set(names) if names.count(name) > 1):
        raise InvalidInput("SQL", f"the answer has several columns of one name ({', '.join(twice)}): name them with AS")


def rows_of(reader: pa.RecordBatchReader) -> Iterator[dict[str, Any]]:
    """The rows of an answer, read as they are asked for.

    Raises:
        InvalidInput: what the statement computes fails on some row, or Python knows no such time.
    """
    try:
        for batch in reader:
            yield from batch.to_pylist()
    except (DeltaError, pa.ArrowException, OSError) as error:
        raise InvalidInput("SQL", _line(error)) from error
    except OverflowError as error:
        raise InvalidInput("SQL", "a time or duration is out of range: CAST it to a number") from error


def _line(error: Exception) -> str:
    return plain(" ".join(str(error).split()))


def _register(builder: QueryBuilder, tables: Path, empty: Path, sql: str, view: View) -> Iterator[str]:
    """Make the tables and views known; their names. Those of no schema are in one that no model is named as."""
    _do(builder, "CREATE SCHEMA _log")
    _do(builder, "SET datafusion.catalog.default_schema = '_log'")
    for path in folders_in(tables):
        if path.name.startswith("_") and (table := open_table(path)):
            name = path.name.removeprefix("_")
            builder.register(_RENAMED.get(name, name), table)
            yield _RENAMED.get(name, name)
    for model in models_in(tables):
        if model == view.model or model in sql:
            yield from _register_model(builder, tables / model, empty, view)


def _register_empty(builder: QueryBuilder, empty: Path, sql: str, known: Collection[str]) -> Iterator[str]:
    """The log's own tables that it has not made yet."""
    for name, schema in _OWN.items():
        if name not in known:
            if name in sql:
                builder.register(name, DeltaTable.create(str(empty / name), schema))
            yield name


def _register_model(builder: QueryBuilder, folder: Path, empty: Path, view: View) -> Iterator[str]:
    opened = {path.name: table for path in folders_in(folder) if (table := open_table(path))}
    if "predictions" in opened and "labels" not in opened:  # none has come yet
        opened["labels"] = DeltaTable.create(str(empty / folder.name / "labels"), LABELS)
    _do(builder, f"CREATE SCHEMA IF NOT EXISTS {quoted(folder.name)}")
    for name, table in opened.items():
        builder.register(f"{quoted(folder.name)}.{name}", table)
    made = [*opened, *_make_views(builder, folder.name, opened, view)]
    for name in made:
        yield f"{folder.name}.{name}"
        if folder.name == view.model:
            _do(builder, f"CREATE VIEW {name} AS SELECT * FROM {quoted(folder.name)}.{name}")  # noqa: S608  # one word each
            yield name


def _make_views(builder: QueryBuilder, model: str, opened: dict[str, DeltaTable], view: View) -> Iterator[str]:
    for name, statement in views(model, opened, view.moment, view.definition_of(model)).items():
        _do(builder, statement)
        yield name


def _do(builder: QueryBuilder, statement: str) -> None:
    builder.execute(statement).read_all()
