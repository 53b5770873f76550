"""All dead-letters, with what became of each."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cli.dlq.marks import Mark, read_mark, standing
from cli.errors import UserError
from shared.kafka.admin import DEAD_LETTERS, TOPICS
from shared.kafka.dead_letters import Letter, read_letter
from shared.kafka.follow import scan
from shared.kafka.message import InMessage

CLIENT = "driftline-dlq"
Place = tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """A dead-letter at `place` (partition, offset) of the topic. Its value is left out: `kept` bytes of it are there,
    with this sha256.
    """

    place: Place
    letter: Letter
    kept: int
    content: str
    time_ms: int

    @property
    def name(self) -> str:
        """How people and replays name it."""
        return f"{self.place[0]}/{self.place[1]}"

    @property
    def original(self) -> tuple[str, int, int, str]:
        """What it is a copy of: two services may have found the same message unreadable."""
        return (self.letter.topic, self.letter.partition, self.letter.offset, self.content)

    @property
    def told(self) -> tuple[str, int, int, str]:
        """Who said of which message that it is unreadable. After a crash a service says so again, in another letter."""
        return (self.letter.topic, self.letter.partition, self.letter.offset, self.letter.service)


@dataclass
class Book:
    """Entries by place, and the marks on them in order; `ends` are the next offsets of the topic."""

    entries: dict[Place, Entry] = field(default_factory=dict)
    marks: dict[Place, list[Mark]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    _alike: dict[tuple[str, int, int, str], list[Place]] = field(default_factory=dict)

    def take(self, message: InMessage) -> None:
        """The next message of a partition."""
        self.ends[message.partition] = message.offset + 1
        letter = read_letter(message)
        if letter is not None:
            place, digest = (message.partition, message.offset), hashlib.sha256(letter.value).hexdigest()
            bare = replace(letter, value=b"")
            entry = Entry(place, bare, len(letter.value), digest, message.timestamp_ms)
            self.entries[place] = entry
            self._alike.setdefault(entry.told, []).append(place)
        elif mark := read_mark(message):
            self.marks.setdefault(mark.letter, []).append(mark)

    def mark(self, entry: Entry) -> Mark | None:
        """What counts of the marks on it and on those that tell the same: done, else its own claim, else another's."""
        others = [place for place in self._alike[entry.told] if place != entry.place]
        found = [mark for place in (entry.place, *others) if (mark := self.own_mark(place))]
        return next((mark for mark in found if mark.state == "done"), found[0] if found else None)

    def own_mark(self, place: Place) -> Mark | None:
        """What counts of the marks on the letter at this place alone."""
        return standing(self.marks.get(place, ()))

    def find(self, names: Iterable[str], topic: str | None = None, reason: str | None = None) -> list[Entry]:
        """Those that are named, all if none is; of the topic, and with this text in the reason.

        Raises:
            UserError: there is none of this name.
        """
        chosen = [self._named(name) for name in names] or list(self.entries.values())
        kept = [entry for entry in chosen if topic in (None, entry.letter.topic)]
        return [entry for entry in kept if reason is None or reason.lower() in entry.letter.reason.lower()]

    def _named(self, name: str) -> Entry:
        partition, slash, offset = name.rpartition("/")
        try:
            return self.entries[int(partition) if slash else 0, int(offset)]
        except (KeyError, ValueError) as error:
            raise UserError(f"there is no dead-letter {name}; `driftline dlq show` lists them") from error

    def copies(self, entries: Iterable[Entry]) -> list[list[Entry]]:
        """The entries by the message they are of, each with the copies by other services that are free, too."""
        by_original: dict[tuple[str, int, int, str], list[Entry]] = {}
        for entry in self.entries.values():
            by_original.setdefault(entry.original, []).append(entry)
        chosen = dict.fromkeys(entry.original for entry in entries)
        return [[each for each in by_original[original] if self.mark(each) is None] for original in chosen]


async def read_book(kafka: str) -> Book:
    """All of the topic, up to its end as it is now; raises KafkaError."""
    book = Book()
    async for message in scan(kafka, DEAD_LETTERS, CLIENT):
        book.take(message)
    return book


async def read_on(kafka: str, book: Book) -> None:
    """Take in what has come since."""
    async for message in scan(kafka, DEAD_LETTERS, CLIENT, book.ends):
        book.take(message)


async def with_values(kafka: str, entries: Iterable[Entry]) -> AsyncIterator[tuple[Entry, Letter]]:
    """The entries, each with its whole letter."""
    wanted = {entry.place: entry for entry in entries}
    begins = {partition: min(at for number, at in wanted if number == partition) for partition, _ in wanted}
    async for message in scan(kafka, DEAD_LETTERS, CLIENT, begins):
        entry = wanted.pop((message.partition, message.offset), None)
        letter = read_letter(message)
        if entry is not None and letter is not None:
            yield entry, letter
        if not wanted:
            return


def hindrance(entry: Entry, mark: Mark | None, *, mended: bool, headers: Mapping[str, bytes]) -> str | None:
    """Why a letter can't be replayed; None if it can. `mended`: other bytes are sent than it had."""
    letter = entry.letter
    signed = {topic.name: topic.signed for topic in TOPICS if topic.name != DEAD_LETTERS}
    compacted = {topic.name for topic in TOPICS if topic.config.get("cleanup.policy") == "compact"}
    moved = mark is not None and mark.state == "done"
    reasons = {
        f"was replayed: {letter.topic}/{letter.partition}/{mark.at if mark else 0}": moved,
        "another process is replaying it, or has died: a minute later --yes looks what it did": mark and not moved,
        f"{letter.topic} is no topic of Driftline's": letter.topic not in signed,
        f"of {letter.topic} the newest message counts, and this one would hide it": letter.topic in compacted,
        f"only {entry.kept} of its {letter.length} bytes were kept: give the whole with --file": not mended
        and entry.kept < letter.length,
        "its headers were too large to be kept: give those that it needs with --header": not letter.has_headers
        and not headers,
        f"readers of {letter.topic} ask for its writer's signature, which other bytes don't have": mended
        and signed.get(letter.topic),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
