"""What a consume loop asks of whoever it reads for."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from shared.kafka.message import InMessage, OutMessage
from shared.kafka.reading import MOST_RECORDS

Handler = Callable[[InMessage], Awaitable[Sequence[OutMessage]]]


async def _nothing_to_send() -> Sequence[OutMessage]:
    return ()


async def _not_noted(_message: InMessage, _reason: str) -> None:
    pass


async def _at_once() -> None:
    pass


@dataclass(frozen=True)
class Turn:
    """What to read now: of `only` these of the assigned partitions, or None for all, `most` records of each."""

    only: Collection[TopicPartition] | None = None
    most: int = MOST_RECORDS


async def _all() -> Turn:
    return Turn()


@dataclass(frozen=True)
class Hooks:
    """For those that keep more than the handler's answers.

    `flush` puts what was handled on the disk before a commit, and gives what is to be sent with it; `on_dead_letter`
    notes a message that could not be read, and why; `on_assigned` is awaited before messages of newly assigned
    partitions are handled. `turn` says what of the assigned partitions to read now.
    """

    flush: Callable[[], Awaitable[Sequence[OutMessage]]] = _nothing_to_send
    on_dead_letter: Callable[[InMessage, str], Awaitable[None]] = _not_noted
    on_assigned: Callable[[], Awaitable[None]] = _at_once
    turn: Callable[[], Awaitable[Turn]] = _all


NO_HOOKS = Hooks()
