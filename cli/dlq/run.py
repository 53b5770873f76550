"""The commands' work: lines to print."""

import asyncio
import json
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from cli.dlq.book import Book, Entry, read_book, with_values
from cli.dlq.replay import Mended, Outcome, Replayer
from cli.dlq.show import facts, line, whole
from cli.errors import UserError

T = TypeVar("T")


def on_kafka(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; a Kafka that does not answer is the user's to put right."""
    try:
        return asyncio.run(work)
    except KafkaError as error:
        raise UserError(f"Kafka: {error}") from error


async def list_letters(kafka: str, topic: str | None, reason: str | None, limit: int, *, as_json: bool) -> list[str]:
    """A line each."""
    book = await read_book(kafka)
    found = book.find((), topic, reason)[-limit:]
    told = [facts(entry, book.mark(entry)) for entry in found]
    return [json.dumps(each) if as_json else line(each) for each in told]


async def show_letter(kafka: str, name: str, most: int) -> tuple[list[str], bytes]:
    """All of one, and its bytes."""
    book = await read_book(kafka)
    (entry,) = book.find([name])
    letters = [letter async for _, letter in with_values(kafka, [entry])]
    return list(whole(facts(entry, book.mark(entry)), letters[0], most)), letters[0].value


async def replay_letters(
    kafka: str,
    which: tuple[Sequence[str], str | None, str | None],
    mended: tuple[bytes | None, Mapping[str, bytes]],
    *,
    really: bool,
) -> tuple[list[str], bool]:
    """What was done or, if not `really`, would be, a line each; and whether some could not be sent.

    `which` are names, topic and text of the reason; those that were replayed before count only if they are named.
    """
    book = await read_book(kafka)
    async with Replayer(kafka, book, Mended(*mended)) as replayer:
        if really:
            await replayer.settle()
        chosen = [entry for entry in book.find(*which) if which[0] or not _is_done(book, entry)]
        refused = replayer.refused(chosen)
        groups = replayer.groups(chosen)
        done = await replayer.send(groups) if really else [Outcome(group, None) for group in groups]
    lines = [_said(outcome) for outcome in [*refused, *done]] or ["there is no dead-letter to replay"]
    if groups and not really:
        lines.append("nothing was sent: say --yes")
    return lines, bool(refused) or any(outcome.why for outcome in done)


def _is_done(book: Book, entry: Entry) -> bool:
    mark = book.mark(entry)
    return mark is not None and mark.state == "done"


def _said(outcome: Outcome) -> str:
    letter, names = outcome.entries[0].letter, ", ".join(entry.name for entry in outcome.entries)
    if outcome.why:
        return f"{names}: not sent: {outcome.why}"
    services = ", ".join(sorted({entry.letter.service for entry in outcome.entries}))
    at = "" if outcome.at is None else f"/{outcome.at}"
    return f"{names}: to {letter.topic}/{letter.partition}{at} for {services}"
