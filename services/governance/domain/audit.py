"""The audit log's hash chain: each entry holds the hash of the one before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from shared.errors import DriftlineError
from shared.events.base import Digest, Record, UtcTime

GENESIS = "0" * 64


class Action(Record):
    """Who did what to what. `subject` is an id; `payload` holds what was decided, never a secret."""

    actor: str
    action: str
    subject: str
    payload: dict[str, Any]


class Head(Record):
    """The newest entry's place and hash; what the next one is chained to."""

    seq: int = Field(ge=0)
    hash: Digest


class Entry(Action):
    """One line of the log. `at` is wall clock, UTC."""

    seq: int = Field(ge=1)
    at: UtcTime
    prev_hash: Digest
    hash: Digest


class ChainBroken(DriftlineError):
    """The log is not what was written: an entry was changed, removed or put in."""


def _hash(content: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON of an entry without its own hash."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def chained(action: Action, head: Head, at: datetime) -> Entry:
    """The entry that follows `head`."""
    content = {**action.model_dump(mode="json"), "seq": head.seq + 1, "at": at.isoformat(), "prev_hash": head.hash}
    return Entry.model_validate({**content, "hash": _hash(content)})


def verify(entries: Iterable[Entry], head: Head) -> int:
    """The number of entries, oldest first, if they form a chain that ends in `head`.

    Raises:
        ChainBroken: they do not; the text names the first entry that does not fit.
    """
    last = Head(seq=0, hash=GENESIS)
    for entry in entries:
        if entry.seq != last.seq + 1:
            raise ChainBroken(f"entry {last.seq + 1} is missing: {entry.seq} follows {last.seq}")
        action = Action(actor=entry.actor, action=entry.action, subject=entry.subject, payload=entry.payload)
        if chained(action, last, entry.at) != entry:
            raise ChainBroken(f"entry {entry.seq} does not have its hash, or not that of the entry before it")
        last = Head(seq=entry.seq, hash=entry.hash)
    if last != head:
        raise ChainBroken(f"the log ends with entry {last.seq}, its head says {head.seq}")
    return last.seq
