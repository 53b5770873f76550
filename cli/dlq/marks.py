"""What was replayed: notes on the topic of the dead-letters itself, so that they are kept as long as the letters.

A replay claims a letter, sends it, and then says that it is done. Of two that claim it the first on the topic has it.
A claim that nobody closes within PATIENCE belongs to a process that has died; whether it had sent the message is looked
up on the message's own topic, from the offset that the claim tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.kafka.admin import DEAD_LETTERS
from shared.kafka.message import InMessage, OutMessage

PATIENCE = 60.0  # seconds
_KEY = b"replay"
State = Literal["claimed", "done", "released"]
_STATES: dict[str | None, State] = {"claimed": "claimed", "done": "done", "released": "released"}


@dataclass(frozen=True)
class Mark:
    """`letter` is (partition, offset) of the dead-letter; `at`, on the topic it came from: where it ended when the
    letter was claimed, or where the replay now stands. `time_ms` is the broker's.
    """

    letter: tuple[int, int]
    state: State
    run: str
    at: int
    time_ms: int = 0

    def message(self) -> OutMessage:
        """As it is sent."""
        told = {"state": self.state, "letter": str(self.letter[1]), "run": self.run, "at": str(self.at)}
        headers = tuple((f"driftline-{name}", text.encode()) for name, text in told.items())
        return OutMessage(DEAD_LETTERS, b"", _KEY, headers, self.letter[0])


def read_mark(message: InMessage) -> Mark | None:
    """The mark in a message that is no dead-letter; None if it holds none."""
    state, run = _STATES.get(message.header("driftline-state")), message.header("driftline-run")
    if message.key != _KEY or run is None or state is None:
        return None
    try:
        letter, at = (int(message.header(f"driftline-{name}") or "") for name in ("letter", "at"))
    except ValueError:
        return None
    return Mark((message.partition, letter), state, run, at, message.timestamp_ms)


def standing(marks: Iterable[Mark]) -> Mark | None:
    """Of a letter's marks, in order, the one that counts: done, else the claim that is open; None if it is free."""
    held: Mark | None = None
    for mark in marks:
        if mark.state == "done":
            return mark
        if held is None and mark.state == "claimed":
            held = mark
        elif held is not None and mark.state == "released" and mark.run == held.run:
            held = None
    return held
