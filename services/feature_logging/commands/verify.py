"""`verify`: the hash chain and all rows in it recomputed, as a table for people, or as JSON."""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from services.feature_logging.settings import Settings
from shared.arguments import path
from shared.errors import InvalidInput
from shared.feature_log.completeness import completeness
from shared.feature_log.keystore import KeyReader, NoKeys
from shared.feature_log.opened import open_log
from shared.feature_log.proof.reports import Fault, PartitionReport
from shared.feature_log.proof.restated import restated, restated_path
from shared.feature_log.proof.verify import Verified, verify
from shared.storage import is_folder

# A service that runs may be between the commits of one flush, which looks like a gap for a moment.
_MORE_LOOKS, _PAUSE = 2, 1.0
_COLUMNS = "{:<22} {:>4}  {:<17} {:>20} {:>9} {:>10} {:>9} {:>6} {:>8}"


def add_verify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """The command's options."""
    parser = commands.add_parser("verify", help="recompute the hash chain and the rows in it; ends with 1 if it breaks")
    parser.add_argument("--head", action="append", default=[], help="a head that was kept elsewhere")
    parser.add_argument("--json", type=path, help="a file for all of it")
    parser.set_defaults(run=show_verify)
    return parser


def show_verify(settings: Settings, options: argparse.Namespace) -> int:
    """Print what was found; raises InvalidInput, OSError."""
    if not is_folder(settings.tables):
        raise InvalidInput("--state", f"there is no log: {settings.tables} is no folder")
    found = _verified(settings, options.head)
    if options.json is not None:
        options.json.write_text(json.dumps(found.model_dump(mode="json"), indent=2) + "\n")
    print("\n".join(_lines(found)))  # noqa: T201  # a command's answer
    return 0 if found.complete else 1


def _verified(settings: Settings, heads: list[str]) -> Verified:
    tables = settings.tables
    log = open_log(tables)
    report = completeness(log)
    for _ in range(_MORE_LOOKS):
        if not report.complete:
            time.sleep(_PAUSE)
            log = open_log(tables)
            report = completeness(log)
    records = restated(tables, _secret(settings.feature_log_keys), log.damages.get(restated_path(tables).name))
    return verify(log, report, heads, records)


def _secret(folder: Path) -> bytes | None:
    try:
        return KeyReader(folder).secret
    except NoKeys:
        return None


def _lines(found: Verified) -> Iterator[str]:
    yield _COLUMNS.format("topic", "part", "hour", "offsets", "messages", "rows", "rejected", "gaps", "repeats")
    for part in found.report.partitions:
        yield from _hours(part)
    yield from (f"producer {line}" for line in _producers(found))
    for gone in found.report.retired:
        yield f"retired of {gone.table}: {gone.rows} rows of {gone.days} days, {gone.first_day} to {gone.last_day}"
    for part in found.report.partitions:
        if part.head:
            yield f"head of {part.topic}/{part.partition} before offset {part.proven}: {part.head}"
    yield from (f"BROKEN {problem}" for problem in _problems(found))
    if found.restated:
        yield f"{found.restated} links hold other rows than were logged, as records in _forgotten account for"
    if found.retired:
        yield f"{found.retired} links hold fewer rows than were logged, {found.emptied} of them none: rows were retired"
    if found.restated_head:
        unchecked = "" if found.seals_checked else "; the seals were not checked, since the keys are not here"
        yield f"head of what says so: {found.restated_head}{unchecked}"
    held = "complete, as it was logged" if found.links else "complete, but nothing says yet that it is as it was logged"
    yield f"{found.links} links recomputed: {held if found.complete else 'NOT COMPLETE'}"


def _hours(part: PartitionReport) -> Iterator[str]:
    for hour in part.hours:
        offsets, gaps = f"{hour.first_offset}-{hour.last_offset}", sum(gap.last - gap.first + 1 for gap in hour.gaps)
        counts = (hour.messages, hour.rows, hour.rejected, gaps, hour.repeats)
        yield _COLUMNS.format(part.topic, part.partition, f"{hour.hour:%Y-%m-%d %H:%MZ}", offsets, *counts)


def _producers(found: Verified) -> Iterator[str]:
    for each in found.report.producers:
        twice = f", {each.repeated_messages} messages came twice" if each.repeated_messages else ""
        yield f"{each.producer}: messages 0 to {each.last_sequence}, {each.rows} rows{twice}"


def _problems(found: Verified) -> Iterator[str]:
    for part in found.report.partitions:
        place = f"{part.topic}/{part.partition}"
        yield from (f"{place}: offsets {gap.first} to {gap.last} are in no table" for gap in part.gaps)
        if part.repeats:
            yield f"{place}: {part.repeats} rows are there twice"
        for span in part.lost:
            yield f"{place}: Kafka had deleted offsets {span.first} to {span.last} before they were read"
        yield from (f"{place}: {problem}" for problem in part.problems)
    yield from found.report.problems
    for each in found.report.producers:
        yield from (f"producer {each.producer}: {hole} are not in the log" for hole in each.holes)
    yield from map(_fault, found.faults)


def _fault(fault: Fault) -> str:
    if fault.topic is None or fault.hour is None:
        return fault.what if fault.topic is None else f"{fault.topic}/{fault.partition}: {fault.what}"
    where = f"{fault.topic}/{fault.partition}, hour {fault.hour:%Y-%m-%d %H:%MZ}, offsets {fault.first} to {fault.last}"
    return f"{where}: {fault.what}"
