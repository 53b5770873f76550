"""When something is due: the five fields of cron, in UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
_MOST_MINUTES = 1_440  # looked back: what was missed for longer than a day is not made up for


@dataclass(frozen=True)
class Cron:
    """Minutes, hours, days of the month, months and days of the week (0 is Sunday). If both kinds of days are said,
    either will do, as in cron.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """`minute hour day month weekday`, each `*`, a number, a range, with `/step`, or several with commas.

        Raises:
            ValueError: it is none; the text names the field.
        """
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError("a schedule has five fields: minute hour day month weekday, such as 0 3 * * *")
        minutes, hours, days, months, weekdays = (
            _values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        either_day = not (parts[2].startswith("*") or parts[4].startswith("*"))
        return cls(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either_day)

    def matches(self, time: datetime) -> bool:
        """Whether it is due in this minute."""
        time = time.astimezone(UTC)
        day, weekday = time.day in self.days, time.isoweekday() % 7 in self.weekdays
        on_day = (day or weekday) if self.either_day else (day and weekday)
        return on_day and time.minute in self.minutes and time.hour in self.hours and time.month in self.months

    def last_due(self, after: datetime, until: datetime) -> datetime | None:
        """The last minute after `after` and up to `until` in which it was due, if any."""
        minute = until.replace(second=0, microsecond=0)
        for _ in range(_MOST_MINUTES):
            if minute <= after:
                return None
            if self.matches(minute):
                return minute
            minute -= timedelta(minutes=1)
        return None


def _values(text: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{name}: *, numbers, ranges and steps are known, not {part!r}")
        first, last, step = (None if group is None else int(group) for group in match.groups())
        begin = low if first is None else first
        end = last if last is not None else (high if first is None or step is not None else begin)
        if not low <= begin <= end <= high or step == 0:
            raise ValueError(f"{name}: from {low} to {high}, not {part!r}")
        found.update(range(begin, end + 1, step or 1))
    return frozenset(found)
