"""Tables on disk, in pieces that are always cut alike: Parquet by row groups, Delta likewise, CSV by blocks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.dataset as ds

from shared.definition import ModelDefinition
from shared.errors import InvalidInput

_CSV_BLOCK = 8 * 2**20  # bytes; a record must be shorter
_BATCH_ROWS = 65_536
DELTA_LOG = "_delta_log"


class Piece(NamedTuple):
    """`rows` rows of the file `name`, of which `first` is the number of the first one. Parquet's are read as they are
    asked for.
    """

    name: str
    first: int
    rows: int
    batches: Iterator[pa.RecordBatch]


class Source(Protocol):
    """`rows` is None if nobody knows without reading. `identity` tells this very input: other content, another one."""

    schema: pa.Schema
    rows: int | None
    identity: dict[str, Any]

    def pieces(self) -> Iterator[Piece]:
        """All of it, in the same pieces each time."""
        ...


def open_source(path: Path, definition: ModelDefinition, version: int | None = None) -> Source:
    """A file or folder of Parquet or CSV, or a Delta table, of which `version` may be told.

    Raises:
        InvalidInput: there is none, or it can't be read.
    """
    try:
        if (path / DELTA_LOG).is_dir():
            return _delta(path, version)
        files = sorted(_files(path)) if path.is_dir() else [path]
        kinds = {file.suffix for file in files}
        if not all(file.is_file() for file in files) or kinds not in ({".parquet"}, {".csv"}):
            raise InvalidInput("input", f"{path} as a file or folder of .parquet or of .csv files, or a Delta table")
        told = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        if kinds == {".csv"}:
            return _Csv(files, definition, {"files": told})
        return _Fragments(ds.dataset([str(file) for file in files], format="parquet"), {"files": told})
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput("input", f"{path} can't be read: {error}") from error


def _files(folder: Path) -> Iterator[Path]:
    for found in folder.rglob("*"):
        hidden = any(part.startswith(("_", ".")) for part in found.relative_to(folder).parts)
        if found.is_file() and not hidden:
            yield found


def _delta(path: Path, version: int | None) -> "_Fragments":
    table = delta().DeltaTable(str(path), version=version)
    return _Fragments(table.to_pyarrow_dataset(), {"delta": str(path), "version": table.version()})


def delta() -> Any:
    """The package deltalake, which the service itself does not need; raises InvalidInput if it is not there."""
    try:
        import deltalake
    except ImportError:
        raise InvalidInput("deltalake", "this package, for Delta tables; Parquet and CSV need none") from None
    return deltalake


class _Fragments:
    """A dataset of Parquet files."""

    def __init__(self, dataset: ds.Dataset, identity: dict[str, Any]) -> None:
        self._dataset = dataset
        self.schema = dataset.schema.remove_metadata()
        self.identity = {**identity, "batch_rows": _BATCH_ROWS}
        self.rows: int | None = dataset.count_rows()

    def pieces(self) -> Iterator[Piece]:
        for fragment in sorted(self._dataset.get_fragments(), key=lambda each: str(each.path)):
            first = 0
            for group in fragment.split_by_row_group():
                rows = sum(each.num_rows for each in group.row_groups)
                yield Piece(Path(fragment.path).name, first, rows, self._read(group))
                first += rows

    def _read(self, group: ds.Fragment) -> Iterator[pa.RecordBatch]:
        batches = group.to_batches(
            schema=self._dataset.schema,
            batch_size=_BATCH_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            use_threads=False,
        )
        for batch in batches:
            if len(batch):
                yield batch.replace_schema_metadata(None)


class _Csv:
    """CSV with a header: features are of the definition's kinds, an empty value is missing, other columns are texts."""

    def __init__(self, files: list[Path], definition: ModelDefinition, identity: dict[str, Any]) -> None:
        self._files = files
        self._numeric = definition.numeric
        self.identity = {**identity, "block": _CSV_BLOCK}
        self.rows: int | None = None
        schemas = [self._schema(file) for file in files]
        for file, schema in zip(files, schemas, strict=True):
            if schema != schemas[0]:
                raise InvalidInput("input", f"{file.name} with the same columns as {files[0].name}")
        self.schema = schemas[0]

    def _open(self, file: Path, names: list[str] | None = None) -> pacsv.CSVStreamingReader:
        convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names or [], pa.string()), strings_can_be_null=True, null_values=[""]
        )
        return pacsv.open_csv(file, pacsv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK), None, convert)

    def _schema(self, file: Path) -> pa.Schema:
        names = self._open(file).schema.names
        kinds = [pa.float64() if name in self._numeric else pa.string() for name in names]
        return pa.schema(list(zip(names, kinds, strict=True)))

    def pieces(self) -> Iterator[Piece]:
        for file in self._files:
            first = 0
            try:
                for batch in self._open(file, self.schema.names):
                    yield Piece(file.name, first, len(batch), self._typed(batch, file.name, first))
                    first += len(batch)
            except pa.ArrowInvalid as error:
                raise InvalidInput(file.name, f"CSV: {error}") from error

    def _typed(self, batch: pa.RecordBatch, name: str, first: int) -> Iterator[pa.RecordBatch]:
        columns = [
            _numbers(column, f"{name}, column {field.name}", first) if pa.types.is_floating(field.type) else column
            for field, column in zip(self.schema, batch.columns, strict=True)
        ]
        if len(batch):
            yield pa.record_batch(columns, schema=self.schema)


def _numbers(column: pa.Array, where: str, first: int) -> pa.Array:
    try:
        return pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        for position, value in enumerate(column):
            try:
                pc.cast(value, pa.float64())
            except pa.ArrowInvalid:
                raise InvalidInput(where, f"a number or nothing in row {first + position}") from None
        raise


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Whether two are the same when written as JSON."""
    return json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
