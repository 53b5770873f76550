"""`query`: SQL over the tables, as a table, JSON or CSV."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Any

from services.feature_logging.commands.options import read_time
from services.feature_logging.domain.views import Moment
from services.feature_logging.models import newest_definition
from services.feature_logging.settings import Settings
from services.feature_logging.store.query import View, rows_of, run_query
from shared.errors import InvalidInput
from shared.printed import plain

Rows = Sequence[Mapping[str, Any]]


def add_query(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """The command's options."""
    parser = commands.add_parser("query", help="one SQL statement over the tables, read only")
    parser.add_argument("sql")
    parser.add_argument("--model", help="its tables by their names alone: predictions, labels, joined, late, ...")
    parser.add_argument("--as-of", help="`joined` holds what was known at this time (RFC 3339)")
    parser.add_argument("--replayed", action="store_true", help="events were replayed: as-of bounds event time only")
    parser.add_argument("--format", choices=tuple(FORMATS), default="table")
    parser.add_argument("--limit", type=int, default=1_000, help="at most so many rows (0: all)")
    parser.set_defaults(run=show_query)
    return parser


def show_query(settings: Settings, options: argparse.Namespace) -> int:
    """Print the answer; raises InvalidInput."""
    if options.limit < 0:
        raise InvalidInput("--limit", "must not be negative")
    moment = Moment(read_time("--as-of", options.as_of), options.replayed) if options.as_of is not None else None
    view = View(options.model, moment, partial(newest_definition, settings))
    reader = run_query(settings.tables, options.sql, view)
    found = rows_of(reader)
    rows = [{name: _plain(value) for name, value in row.items()} for row in islice(found, options.limit or None)]
    FORMATS[options.format](reader.schema.names, rows)
    if options.limit and next(found, None) is not None:
        print(f"there are more than these {options.limit} rows: see --limit", file=sys.stderr)  # noqa: T201
    return 0


def _plain(value: object) -> object:
    """A value as JSON can hold it: bytes in hex, times as RFC 3339."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _as_json(_: Sequence[str], rows: Rows) -> None:
    print(json.dumps(_finite(rows), indent=2, default=str))  # noqa: T201  # a command's answer


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_csv(names: Sequence[str], rows: Rows) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if row[name] is None else _text(row[name]) for name in names] for row in rows)


def _as_table(names: Sequence[str], rows: Rows) -> None:
    cells = [[plain(each) for each in names], *([plain(_text(row[name])) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in [cells[0], ["-" * width for width in widths], *cells[1:]]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())  # noqa: T201


FORMATS: dict[str, Callable[[Sequence[str], Rows], None]] = {"table": _as_table, "json": _as_json, "csv": _as_csv}
