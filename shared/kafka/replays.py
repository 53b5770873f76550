"""Dead-letters that were sent again to where they came from: for whom, and which."""

from collections.abc import Collection

from shared.kafka.dead_letters import Letter
from shared.kafka.message import Headers, InMessage, OutMessage

_FOR, _OF = "driftline-replay-for", "driftline-replay-of"


def replay(letter: Letter, of: Collection[str], services: Collection[str]) -> OutMessage:
    """The message to send for a dead-letter and its copies, named in `of`: as the original was, to its partition.

    `services` are those that could not read it; the others have read the original, and step over this one.
    """
    kept = tuple((name, value) for name, value in letter.headers if name not in (_FOR, _OF))
    told: Headers = ((_OF, ",".join(of).encode()), (_FOR, ",".join(sorted(services)).encode()))
    return OutMessage(letter.topic, letter.value, letter.key, (*kept, *told), letter.partition)


def replayed_letters(message: InMessage) -> list[str]:
    """The dead-letters that this message is a replay of, as they were named; none if it is none."""
    named = message.header(_OF)
    return named.split(",") if named else []


def concerns(message: InMessage, service: str) -> bool:
    """Whether a service should read it: every message, but for replays for others."""
    named = message.header(_FOR)
    return named is None or service in named.split(",")
