"""Is every message of a topic partition in the log, once? Answered from the hash chain and the tables' newest rows.

What is in the chain is not read again: its links say which offsets they hold. Only what was committed after the last
link is counted in the tables. That the tables still hold what the links say is what `proof.verify` recomputes.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from shared.feature_log.opened import TOPICS, Lost, OpenLog, OpenTable, Source
from shared.feature_log.proof.links import MOST_ROWS
from shared.feature_log.proof.producers import Sent, sent, summed
from shared.feature_log.proof.producers import report as report_sent
from shared.feature_log.proof.reading import END, pieces
from shared.feature_log.proof.reports import Completeness, Gap, HourReport, PartitionReport, Wanted
from shared.feature_log.proof.spans import Span, spans
from shared.feature_log.reading import dataset, live_files, only
from shared.feature_log.retired import reports as report_retired
from shared.feature_log.schema import TIME

_COUNTS = ("messages", "rows", "rejected", "repeats", "holes")
_SPANS = pa.schema([("hour", TIME), *((name, pa.int64()) for name in Span._fields[1:]), ("hash", pa.string())])
ALL = Wanted()


def completeness(log: OpenLog, wanted: Wanted = ALL) -> Completeness:
    """The report on tables as `open_log` opened them; hours in which nothing came are left out. Of damaged tables only
    the damage is told.
    """
    if log.damage:
        return Completeness(complete=False, partitions=(), producers=(), problems=log.damage)
    links, lost = _links(log), log.lost()
    held, told = _rows_in_links(log), _told_in_links(log)
    reports: list[PartitionReport] = []
    for source in sorted({*links, *log.sources, *_sources(log)}):
        tail = _tail(log, source, held, told)  # of each: a table's rows are counted whole, whatever part is wanted
        if wanted.has(*source):
            every = pa.concat_tables([links.get(source, _SPANS.empty_table()), tail])
            reports += _report(log, source, every, lost[source], wanted)
    problems = tuple(_miscounted(log, held, wanted.topic))
    producers = tuple(map(report_sent, summed(told))) if wanted == ALL else ()
    complete = not problems and all(report.complete for report in reports)
    retired = tuple(report_retired(log.retired)) if wanted == ALL else ()
    return Completeness(
        complete=complete, partitions=tuple(reports), producers=producers, problems=problems, retired=retired
    )


def _links(log: OpenLog) -> dict[Source, pa.Table]:
    """The spans of the links of each topic partition."""
    if log.proof is None:
        return {}
    rows = dataset(log.proof).to_table(columns=["topic", "partition", *_SPANS.names])
    sources = rows.group_by(["topic", "partition"]).aggregate([]).to_pylist()
    found: dict[Source, pa.Table] = {}
    for source in sources:
        here = (ds.field("topic") == source["topic"]) & (ds.field("partition") == source["partition"])
        found[source["topic"], source["partition"]] = rows.filter(here).select(_SPANS.names).cast(_SPANS)
    return found


def _rows_in_links(log: OpenLog) -> Counter[str]:
    """How many rows of each table are in links and were not retired."""
    parts = _of_links(log, "parts")
    if parts is None:
        return Counter()
    sums = parts.group_by("table").aggregate([("rows", "sum")])
    held = Counter(dict(zip(sums.column("table").to_pylist(), sums.column("rows_sum").to_pylist(), strict=True)))
    held.subtract({table: sum(day.counted for day in days) for table, days in log.retired.items()})
    return held


def _told_in_links(log: OpenLog) -> list[Sent]:
    """What producers said of the messages in links."""
    sent = _of_links(log, "producers")
    if sent is None:
        return []
    facts = [("messages", "sum"), ("rows", "sum"), ("last", "max"), ("rows_so_far", "max")]
    return [Sent(*row.values()) for row in sent.group_by("producer").aggregate(facts).to_pylist()]


def _of_links(log: OpenLog, name: str) -> pa.Table | None:
    """The items of a list that each link has."""
    if log.proof is None:
        return None
    lists = dataset(log.proof).to_table(columns=[name]).column(name).combine_chunks()
    return pa.Table.from_struct_array(lists.flatten())


def _sources(log: OpenLog) -> Iterator[Source]:
    """The topic partitions that tables hold rows of and no commit tells of: files that may have such rows are read."""
    for each in log.tables:
        if each.topic is None:
            found = dataset(each.table).to_table(columns=["topic", "partition"])
            for row in found.group_by(["topic", "partition"]).aggregate([]).drop_null().to_pylist():
                yield row["topic"], row["partition"]
            continue
        known = {partition for topic, partition in log.sources if topic == each.topic}
        files = _told_of_files(each, "min.source_partition", "max.source_partition")
        if odd := [file["path"] for file in files if not _only_of(known, file)]:
            numbers = only(each.table, odd).to_table(columns=["source_partition"]).column("source_partition")
            yield from ((each.topic, number) for number in numbers.unique().drop_null().to_pylist())


def _only_of(partitions: Collection[int], file: Mapping[str, Any]) -> bool:
    """Whether a file has rows of these alone, by its statistics."""
    first, last = (file.get(f"{end}.source_partition") for end in ("min", "max"))
    if first is None or last is None or last - first >= len(partitions):
        return False
    return all(number in partitions for number in range(first, last + 1))


def _tail(log: OpenLog, source: Source, held: Counter[str], told: list[Sent]) -> pa.Table:
    """The spans of what is in no link yet; its rows are added to those `held`, its messages to those `told`."""
    found: list[Span] = []
    for tables in pieces(log, source, log.proven(source), END, counted=True):
        if tables:
            messages = pa.concat_tables([each.messages for each in tables])
            found += spans(messages, MOST_ROWS)
            held.update({each.messages.column("table")[0].as_py(): len(each.rows) for each in tables})
            told += sent(tables)
    return pa.Table.from_pylist([span._asdict() for span in found], schema=_SPANS)


def _report(
    log: OpenLog, source: Source, every: pa.Table, lost: tuple[Lost, ...], wanted: Wanted
) -> Iterator[PartitionReport]:
    if not len(every):
        yield from _empty(source, log.next_offset(source), lost)
        return
    every = every.sort_by("first")
    hours = tuple(hour for hour in _hours(every) if _within(hour, wanted))
    gaps = tuple(gap for hour in hours for gap in hour.gaps)
    ends = max([int(pc.call_function("max", [every.column("last")]).as_py()), *(span.last for span in lost)]) + 1
    heads = every.column("hash").drop_null()
    problems = tuple(_problems(every, log.next_offset(source), ends))
    repeats = sum(hour.repeats for hour in hours)
    yield PartitionReport(
        topic=source[0],
        partition=source[1],
        first_offset=every.column("first")[0].as_py(),
        next_offset=ends,
        rows=sum(hour.rows for hour in hours),
        messages=sum(hour.messages for hour in hours),
        rejected=sum(hour.rejected for hour in hours),
        gaps=gaps,
        lost=lost,
        repeats=repeats,
        problems=problems,
        complete=not (gaps or lost or repeats or problems),
        proven=log.proven(source),
        head=heads[-1].as_py() if len(heads) else None,
        hours=hours,
    )


def _empty(source: Source, next_offset: int, lost: tuple[Lost, ...]) -> Iterator[PartitionReport]:
    """On a topic partition of which commits tell, but no row is there."""
    problems: tuple[str, ...] = ()
    if next_offset > max((span.last + 1 for span in lost), default=0):
        problems = (f"the next offset by the tables' commits is {next_offset}, but no table has a row of it",)
    if next_offset:
        none = dict.fromkeys(("first_offset", "rows", "messages", "rejected", "repeats", "proven"), 0)
        of = {"topic": source[0], "partition": source[1], "next_offset": next_offset, "lost": lost}
        yield PartitionReport(**none, **of, gaps=(), problems=problems, complete=False, head=None, hours=())


def _within(hour: HourReport, wanted: Wanted) -> bool:
    return (wanted.start is None or hour.hour >= wanted.start) and (wanted.end is None or hour.hour < wanted.end)


def _hours(every: pa.Table) -> Iterator[HourReport]:
    first, last = (every.column(name).to_numpy() for name in ("first", "last"))
    before = np.concatenate([first[:1], np.maximum.accumulate(last)[:-1] + 1])
    gaps: dict[object, list[Gap]] = {}
    for at in np.flatnonzero(first > before).tolist():
        gap = Gap(first=int(before[at]), last=int(first[at]) - 1)
        gaps.setdefault(every.column("hour")[at].as_py(), []).append(gap)
    facts = [("first", "min"), ("last", "max"), *((name, "sum") for name in _COUNTS)]
    for row in every.group_by("hour").aggregate(facts).sort_by("hour").to_pylist():
        yield HourReport(
            hour=row["hour"],
            first_offset=row["first_min"],
            last_offset=row["last_max"],
            gaps=tuple(gaps.get(row["hour"], ())),
            **{name: row[f"{name}_sum"] for name in _COUNTS if name != "holes"},
        )


def _problems(every: pa.Table, next_offset: int, ends: int) -> Iterator[str]:
    if next_offset != ends:
        yield f"the next offset by the tables' commits is {next_offset}, their rows end before {ends}"
    if holes := pc.call_function("sum", [every.column("holes")]).as_py():
        yield f"{holes} rows are missing inside messages"
    first, last = (every.column(name).to_numpy() for name in ("first", "last"))
    twice = np.flatnonzero(first[1:] <= np.maximum.accumulate(last)[:-1])
    for at in twice.tolist():
        yield f"the offsets from {first[at + 1]} are in two links"


def _miscounted(log: OpenLog, held: Counter[str], topic: str | None) -> Iterator[str]:
    """Of the tables that may have rows of a topic; None: of all."""
    others = {kind for kind, of in TOPICS.items() if topic not in (None, of)}
    known = {each.name: each for each in log.tables}
    for name in sorted({*known, *held}):
        if name.rpartition("/")[2] in others:
            continue
        if name not in known:
            yield f"{name}: is gone, its links count {held[name]} rows"
        elif (there := _records(known[name])) != held[name]:
            yield f"{name}: {there} rows, where its links and newest commits count {held[name]}"


def _records(each: OpenTable) -> int:
    """By the statistics of its files, or, of one that has none, by itself."""
    counts = {file["path"]: file.get("num_records") for file in _told_of_files(each, "num_records")}
    unknown = [path for path, count in counts.items() if count is None]
    told: int = sum(filter(None, counts.values()))
    return told + int(only(each.table, unknown).count_rows()) if unknown else told


def _told_of_files(each: OpenTable, *statistics: str) -> list[dict[str, Any]]:
    """The paths of live files with some of their statistics; what no file has is left out."""
    files = live_files(each.table)
    told: list[dict[str, Any]] = files.select(
        [name for name in ("path", *statistics) if name in files.column_names]
    ).to_pylist()
    return told
