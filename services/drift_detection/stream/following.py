"""Reading on exactly where the state ends, whatever Faust does.

Around a start or a rebalance Faust drops messages that it has fetched, and where no offset was committed yet it does
not go back for them. So the state alone says which message comes next; the reader is sent back when it is elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping

from structlog import get_logger

log = get_logger()
PATIENCE_SECONDS = 5.0
BELIEVED_AFTER = 3


class Following:
    """Watches over the source partitions; `seek` sends the reader of a partition to an offset."""

    def __init__(self, seek: Callable[[int, int], Awaitable[None]]) -> None:
        self._seek = seek
        self._first_beyond: dict[int, tuple[int, int]] = {}
        self._progress: dict[int, tuple[int, float]] = {}

    async def admits(self, partition: int, offset: int, following: int) -> bool:
        """Whether a message may be taken in: it is the `following` one or an earlier one, or there is none between.

        Else the reader is sent back. A gap is believed when the same message comes first for the third time: then the
        broker has nothing between, which deleted it.
        """
        if offset <= following:
            self._first_beyond.pop(partition, None)
            return True
        first, times = self._first_beyond.get(partition, (offset, 0))
        if offset > first:
            return False  # was on its way when the reader was sent back
        times = times + 1 if offset == first else 1
        if times >= BELIEVED_AFTER:
            log.error("messages are missing on the broker", partition=partition, first=following, last=offset - 1)
            del self._first_beyond[partition]
            return True
        self._first_beyond[partition] = (offset, times)
        await self._seek(partition, following)
        return False

    async def nudge(self, following: Mapping[int, int], ends: Mapping[int, int | None], now: float) -> None:
        """Send the readers of partitions back in which there is more to read and nothing came for a while.

        Args:
            following: the offset that comes next, by partition.
            ends: the offset after the last one on the broker, None where that is not known yet.
            now: seconds of a clock that only goes forward.
        """
        for partition, offset in following.items():
            before, since = self._progress.get(partition, (-1, -PATIENCE_SECONDS))
            end = ends[partition]
            if offset != before or (end is not None and offset >= end):
                self._progress[partition] = (offset, now if before >= 0 else now - PATIENCE_SECONDS)
            elif now - since >= PATIENCE_SECONDS:
                self._progress[partition] = (offset, now)
                await self._seek(partition, offset)
