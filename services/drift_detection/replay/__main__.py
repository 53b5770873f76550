"""`python -m services.drift_detection.replay`: were the windows that were published those that their rows give?"""

import argparse
import asyncio
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from services.drift_detection.models import Bundles
from services.drift_detection.replay.after_end import AfterEnd
from services.drift_detection.replay.compare import Compared, LastWords, compare
from services.drift_detection.replay.kafka import Topic
from services.drift_detection.replay.recompute import Span, recompute
from services.drift_detection.replay.sources import KafkaRows, LogRows
from services.drift_detection.settings import Settings
from shared.arguments import path
from shared.errors import DriftlineError, InvalidInput, first_problem
from shared.kafka.admin import DRIFT, PREDICTIONS
from shared.reference.panes import MICROSECONDS
from shared.signing import Trust

NO_ROW_WINDOWS = "windows of so many rows are left out: which rows one holds depends on all before it"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 if all windows are equal, 1 if some are not, 2 with word on stderr if it can't be told."""
    options = _parser().parse_args(arguments)
    try:
        return _answered(options)
    except ValidationError as error:
        return _failed("setting " + ": ".join(first_problem(error, "environment")))
    except (DriftlineError, OSError) as error:
        return _failed(str(error))
    except Exception:  # noqa: BLE001  # Python's own exit code for it is 1, which says that windows differ
        return _failed(traceback.format_exc())


def _answered(options: argparse.Namespace) -> int:
    settings = Settings(state=options.state) if options.state else Settings()
    span = _span(options.model, options.start, options.end)
    compared, notes = asyncio.run(replay(settings, span, options.source))
    if not compared:
        return _failed(f"no window of {span.model} in this span, neither published nor in the rows")
    _show(compared, notes, as_json=options.json)
    return int(any(one.result != "equal" for one in compared))


async def replay(settings: Settings, span: Span, source: str) -> tuple[list[Compared], list[str]]:
    """The windows of a span compared, and what there is to note. What was published is read first: what comes
    meanwhile is then in the rows alone.

    Raises:
        Unreadable: Kafka or the log can't be read.
    """
    bootstrap, bundles = settings.kafka_bootstrap, Bundles(settings.bundles, settings.trust)
    predictions = Topic(bootstrap, PREDICTIONS)
    partitions = await predictions.partitions()
    trust = Trust(settings.trust)
    last, after_end = LastWords(span, trust), AfterEnd(trust)
    async for message in Topic(bootstrap, DRIFT).messages():
        last.take(message)
        after_end.take(message)
    rows = (
        LogRows(settings.tables, bundles, span.model)
        if source == "log"
        else KafkaRows(predictions, bundles, span.model)
    )
    words = await recompute(rows.messages(), partitions, span, after_end, int(time.time() * MICROSECONDS))
    compared = compare(last.by_id, words, of_so_many_rows=not rows.lacks_rows)
    there = [*words.values(), *(one.word for one in last.by_id.values())]
    left_out = rows.lacks_rows and any(word.scale_rows for word in there)
    return compared, [*rows.notes, *([NO_ROW_WINDOWS] if left_out else [])]


def _span(model: str, start: str, end: str) -> Span:
    span = Span(model, _time("from", start), _time("to", end))
    if span.start >= span.end:
        raise InvalidInput("to", "a time later than that of from is needed")
    return span


def _time(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(name, "a time is needed, such as 2026-03-01T00:00Z") from error
    if found.tzinfo is None:
        raise InvalidInput(name, "a time zone is needed, such as the Z in 2026-03-01T00:00Z")
    return found


def _show(compared: Sequence[Compared], notes: Sequence[str], *, as_json: bool) -> None:
    for one in compared:
        line = f"{one.result:9} {one.window}" + ("" if one.why is None else f": {one.why}")
        print(one.model_dump_json() if as_json else line)  # noqa: T201  # a command's answer
    counts = Counter(one.result for one in compared)
    total = ", ".join(f"{counts[result]} {result}" for result in ("equal", "different", "missing"))
    for line in (*notes, total):
        print(line, file=sys.stderr if as_json else sys.stdout)  # a command's answer


def _failed(reason: str) -> int:
    print(f"replay: {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.drift_detection.replay", description=__doc__)
    parser.add_argument("--model", required=True, help="a model's name")
    parser.add_argument("--from", required=True, dest="start", help="windows that start at this event time or later")
    parser.add_argument("--to", required=True, dest="end", help="and before this one")
    parser.add_argument("--source", choices=("kafka", "log"), default="kafka", help="where the rows are read from")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each window")
    parser.add_argument("--state", type=path, help="state folder (default: DRIFTLINE_STATE)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
