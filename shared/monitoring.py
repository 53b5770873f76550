"""How a model is watched, as its definition says it."""

from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from shared.batches import Section

# Definitions from before there were these keep their digest.
_LATER = ("nominal_rows", "season", "risk_tolerance", "segments", "scales", "every_rows")
Season = Literal["none", "hour_of_day", "day_of_week"]
MOST_DAYS = 3_660  # ten years: what is longer was mistyped, and a datetime can't hold any length


class Monitoring(Section):
    """Panes of `pane_seconds` of event time; at most one false alarm in `period_days`.

    `nominal_rows`: rows of a step that the detector is tuned for. `season`: what the reference is split by, for
    numbers that go up and down with it. Only the values of numeric features and scores are: levels of categorical
    features and rates of missing rows, zeros and values out of range are held against all rows, and where they go with
    the season only larger changes are found.

    `risk_tolerance`: a risk that is more than this share above the reference's is an alarm, once labels show it.
    `segments` names categorical features: the most frequent levels of each are watched apart, too. For people panes
    are merged into windows of each of `scales` (seconds; those that are no larger multiple of a pane are left out, a
    day is one of `time_zone`), and of `every_rows` rows (0: none).
    """

    pane_seconds: int = Field(default=60, ge=1, le=86_400)
    time_zone: str = "UTC"
    period_days: float = Field(default=30, gt=0, le=MOST_DAYS)
    lateness_seconds: int = Field(default=3_600, ge=0, le=MOST_DAYS * 86_400)
    nominal_rows: int = Field(default=1_000, ge=10, le=1_000_000)
    season: Season = "none"
    risk_tolerance: float = Field(default=0.05, ge=0, le=10)
    segments: tuple[str, ...] = ()
    scales: tuple[int, ...] = (300, 3_600, 86_400)
    every_rows: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _panes_fill_the_day(self) -> Self:
        if 86_400 % self.pane_seconds:
            raise ValueError("pane_seconds must divide a day of 86400 s")
        if any(scale < 1 or 86_400 % scale for scale in self.scales):
            raise ValueError("scales must divide a day of 86400 s")
        return self

    @field_validator("segments", "scales")
    @classmethod
    def _are_told_once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("must not hold one twice")
        return values

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = handler(self)
        for name in _LATER:
            if getattr(self, name) == Monitoring.model_fields[name].default:
                told.pop(name, None)
        return told

    @property
    def coarser(self) -> tuple[int, ...]:
        """The scales that panes are merged into, in seconds, rising."""
        return tuple(sorted(s for s in self.scales if s > self.pane_seconds and s % self.pane_seconds == 0))

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:  # unknown; a path; a folder such as America
            raise ValueError(f"{zone!r} is no time zone of the tz database, such as America/New_York") from error
        return zone

    @property
    def panes_per_period(self) -> float:
        """A of the detector: steps of one stream in the budget period."""
        return self.period_days * 86_400 / self.pane_seconds
