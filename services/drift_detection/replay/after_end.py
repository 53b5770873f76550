"""Rows that came after the end of their window, since their partition had brought none for days: it does not have them.

When a window ended by that rule depends on how fast partitions were read when it was, which rows alone do not say. But
what it missed was published, with the place from which on it did: so a replay leaves out just that.
"""

from services.drift_detection.domain.source.partition import PartitionState
from services.drift_detection.domain.source.parts import Message, Partial, WindowKey
from services.drift_detection.domain.watched import Watched
from shared.cloudevents import verified
from shared.errors import Unreadable
from shared.events import RowsTooLate
from shared.kafka.message import InMessage
from shared.reference.panes import time_of
from shared.signing import Trust

SERVICE = "drift_detection"


class AfterEnd:
    """From which offset on, by partition, a window missed what came."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._after: dict[tuple[int, int, str, str], int] = {}

    def take(self, message: InMessage) -> None:
        """One message of driftline.drift; what tells of no such rows, or is not signed, is passed over."""
        if message.header("ce_type") != RowsTooLate.__name__:
            return
        try:
            event = verified(message, self._trust, SERVICE)
        except Unreadable:
            return
        if isinstance(event, RowsTooLate) and event.after is not None:
            for window in event.windows:
                place = event.partition, time_of(window.start), event.digest, event.role
                self._after[place] = min(event.after, self._after.get(place, event.after))

    def has_ended(self, partition: int, key: WindowKey, offset: int) -> bool:
        """Whether a window had ended before the message at this offset came."""
        after = self._after.get((partition, key.start, key.digest, key.role))
        return after is not None and offset > after


class ReplayedPartition(PartitionState):
    """A source partition of whose messages no window takes in what came after its end."""

    def __init__(self, number: int, after_end: AfterEnd) -> None:
        super().__init__(number)
        self._after_end = after_end

    def open(self, key: WindowKey, message: Message, watched: Watched) -> Partial | None:
        """As for a partition that is read live."""
        ended = self._after_end.has_ended(self.number, key, message.offset)
        return None if ended else super().open(key, message, watched)
