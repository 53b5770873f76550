"""Dead-letters as people read them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cli.dlq.book import Entry
from cli.dlq.marks import Mark
from shared.kafka.dead_letters import Letter
from shared.printed import plain

_WIDTH = 16  # bytes in a line


def facts(entry: Entry, mark: Mark | None) -> dict[str, Any]:
    """An entry as JSON."""
    letter = entry.letter
    return {
        "letter": entry.name,
        "time": datetime.fromtimestamp(entry.time_ms / 1_000, UTC).isoformat(timespec="seconds"),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "bytes": letter.length,
        "service": letter.service,
        "reason": letter.reason,
        "replay": None if mark is None else mark.state,
        "replayed_to": mark.at if mark is not None and mark.state == "done" else None,
    }


def line(told: dict[str, Any]) -> str:
    """`facts` in a line."""
    place = f"{told['topic']}/{told['partition']}/{told['offset']}"
    state = {None: "", "claimed": "being replayed: ", "done": f"replayed to {told['replayed_to']}: "}[told["replay"]]
    said = (told["letter"], told["time"], place, f"{told['bytes']} B", told["service"], state + plain(told["reason"]))
    return "  ".join(said)


def whole(told: dict[str, Any], letter: Letter, most: int) -> Iterator[str]:
    """`facts`, the original headers, and the value: JSON, if it is that, or the first `most` bytes of it."""
    yield from (plain(f"{name}: {value}") for name, value in told.items())
    yield f"key: {letter.key!r}"
    yield "headers:" if letter.has_headers else "headers: were too large to be kept"
    yield from (plain(f"  {name}: {value.decode(errors='backslashreplace')}") for name, value in letter.headers)
    yield "value:"
    try:
        yield json.dumps(json.loads(letter.value), indent=2)
    except (ValueError, RecursionError):
        yield from hexdump(letter.value[:most])


def hexdump(value: bytes) -> Iterator[str]:
    """Lines of offset, bytes and what is printable of them."""
    for start in range(0, len(value), _WIDTH):
        part = value[start : start + _WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{3 * _WIDTH - 1}}  {text}"
