"""The story the demo tells: which flights, when the feed goes wrong, who approves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def _new_york(month: int, day: int, hour: int = 0) -> datetime:
    return datetime(2013, month, day, hour, tzinfo=NEW_YORK).astimezone(UTC)


@dataclass(frozen=True)
class Story:
    """Event times in UTC. The champion is trained on [history_start, start), the replay is [start, end).

    Of the flights every `every`-th is taken. The replay never runs further ahead of the last closed window than `lead`.
    """

    model: str
    history_start: datetime
    start: datetime
    injection: datetime
    end: datetime
    injected_features: tuple[str, ...]
    approvers: tuple[str, ...]
    every: int = 1
    lead: timedelta = timedelta(hours=24)


SPRING_2013 = Story(
    model="flight_delays",
    history_start=_new_york(1, 1),
    start=_new_york(3, 1),
    injection=_new_york(3, 15, 12),
    end=_new_york(4, 15),
    injected_features=("temp", "dewp"),
    approvers=("ada", "grace"),
)
