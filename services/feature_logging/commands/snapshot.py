"""`snapshot`: pin a model's rows as they were known at a moment, or read a pinned snapshot again."""

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq
from pydantic import ValidationError

from services.feature_logging.commands.options import read_time
from services.feature_logging.models import newest_definition
from services.feature_logging.settings import Settings
from shared.arguments import path
from shared.definition import LabelKind
from shared.errors import InvalidInput, first_problem
from shared.events import SnapshotPin
from shared.feature_log.holds import Hold, hold
from shared.feature_log.keystore import FILE as KEYS
from shared.feature_log.keystore import KeyReader
from shared.feature_log.reading import check_model
from shared.feature_log.snapshot import Bounds, Snapshot, pin_snapshot, read_snapshot

MOST_DAYS = 3660


def add_snapshot(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """The command's options."""
    parser = commands.add_parser("snapshot", help="pin the rows and labels that were known at a moment, as JSON")
    parser.add_argument("model")
    parser.add_argument("--from", dest="start", help="rows with this event time or later (RFC 3339)")
    parser.add_argument("--to", dest="end", help="and before this one")
    parser.add_argument("--as-of", help="nothing of a later event time, and nothing logged later, is in it")
    parser.add_argument(
        "--labels", choices=("required", "left"), help="left: rows without one, too (default: required)"
    )
    parser.add_argument(
        "--label-kind", choices=get_args(LabelKind), help="which labels count; needed where no definition is at hand"
    )
    parser.add_argument("--replayed", action="store_true", help="events were replayed: as-of bounds event time only")
    parser.add_argument("--again", type=path, help="a file with what this command printed: the same rows, or an error")
    parser.add_argument("--hold", type=float, metavar="DAYS", help="its versions stay readable for so long")
    parser.add_argument("--output", type=path, help="a Parquet file for the rows")
    parser.set_defaults(run=show_snapshot, refuse=parser.error)
    return parser


def show_snapshot(settings: Settings, options: argparse.Namespace) -> int:
    """Print the snapshot; raises InvalidInput, SnapshotChanged, OSError, and SystemExit for options that contradict."""
    _check_again(options)
    if options.hold is not None and not 0 < options.hold <= MOST_DAYS:
        raise InvalidInput("--hold", f"days, more than 0 and at most {MOST_DAYS}")
    wanted = _bounds(settings, options) if options.again is None else _pin(options.again)
    check_model(settings.tables, options.model)
    keys = KeyReader(settings.feature_log_keys) if (settings.feature_log_keys / KEYS).exists() else None
    if isinstance(wanted, Bounds):
        found = pin_snapshot(settings.tables, options.model, wanted, keys)
    else:
        found = read_snapshot(settings.tables, options.model, wanted, keys)
    if options.hold is not None:
        until = datetime.now(UTC) + timedelta(days=options.hold)
        hold(settings.bundles, Hold(model=options.model, pin=found.pin, until=until))
    if options.output is not None:
        pq.write_table(found.table, options.output)
    print(json.dumps(_told(options.model, found), indent=2))  # noqa: T201  # a command's answer
    return 0


def _check_again(options: argparse.Namespace) -> None:
    bounds = {"--from": options.start, "--to": options.end, "--as-of": options.as_of, "--labels": options.labels}
    bounds |= {"--label-kind": options.label_kind, "--replayed": options.replayed or None}
    told = [name for name, said in bounds.items() if said is not None]
    if told and options.again is not None:
        options.refuse(f"{told[0]} can't go with --again, whose file says it")


def _bounds(settings: Settings, options: argparse.Namespace) -> Bounds:
    start, end = read_time("--from", options.start), read_time("--to", options.end)
    as_of = read_time("--as-of", options.as_of)
    kind = _label_kind(settings, options.model, options.label_kind)
    return Bounds(start, end, as_of, kind, options.labels or "required", None if options.replayed else as_of)


def _label_kind(settings: Settings, model: str, said: LabelKind | None) -> LabelKind:
    definition = newest_definition(settings, model)
    kind = said if definition is None else definition.label.kind
    if kind is None:
        check_model(settings.tables, model)
        raise InvalidInput("--label-kind", f"binary or regression is needed: no definition of {model} is at hand")
    if said not in (None, kind):
        raise InvalidInput("--label-kind", f"the definition of {model} says {kind}")
    return kind


def _pin(path: Path) -> SnapshotPin:
    try:
        return SnapshotPin.model_validate(json.loads(path.read_bytes())["pin"])
    except ValidationError as error:
        raise InvalidInput("--again", ": ".join(first_problem(error, "pin"))) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("--again", f"{path} is no JSON that this command printed") from error


def _told(model: str, found: Snapshot) -> dict[str, Any]:
    return {
        "model": model,
        "rows": found.pin.rows,
        "row_hash": found.pin.row_hash,
        "pin": found.pin.model_dump(mode="json"),
        "labels_left_out": asdict(found.left_out),
        "files": {kind: list(paths) for kind, paths in found.files.items()},
    }
