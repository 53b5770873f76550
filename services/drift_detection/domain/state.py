"""What a model's watch remembers, in the form in which it is stored. Times are microseconds since 1970 UTC."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.drift_detection.domain.quality.record import QualityRecord
from services.drift_detection.domain.rollout.record import RolloutRecord
from shared.events import DriftedFeature


class Stored(BaseModel):
    """A part of the state; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class PublishedWindow(Stored):
    """The last word on a window that may still be revised: `fingerprint` is that of its sketch and counts, `alarmed`
    the streams that alarmed in it.
    """

    start: int
    digest: str
    role: str
    segment: str = "all"
    revision: int
    fingerprint: str
    alarmed: list[str] = []


class Sums(Stored):
    """Of a local day: rows; per numeric column those not missing and their sum on the grid; rows per level."""

    rows: int
    present: list[int]
    sums: list[int]
    levels: list[list[int]]


class Incident(Stored):
    """An incident. `opened` is the end of its first alarmed window, `last_alarm` of its last.

    `windows` are the alarmed windows that may still be revised, by start, with what alarmed in each; `settled` are the
    streams that alarmed in windows which may not. `features` and `also_moved` are by stream.
    """

    incident_id: str
    digest: str
    opened: int
    onset: int
    last_alarm: int
    severity: Literal["minor", "major"]
    features: dict[str, DriftedFeature]
    also_moved: dict[str, DriftedFeature]
    windows: dict[int, list[str]]
    settled: list[str] = []
    revision: int = 0
    state: Literal["open", "resolved", "retracted"] = "open"
    reason: str | None = None
    closed: int | None = None


class Outgoing(Stored):
    """An event that was decided but perhaps not sent: its type and its JSON."""

    type: str
    value: str


class Said(Stored):
    """The last word on a window coarser than a pane."""

    revision: int
    fingerprint: str


class Kept(Stored):
    """Of a window that is final and a partition: the `rows` and `repeats` up to an `offset` that it has or that were
    told to come after its end. From the event time `over` on in that partition no more can come.
    """

    offset: int
    rows: int
    repeats: int
    over: int


class RiskRecord(Stored):
    """The bet on a bundle's risk: its `RiskState` (no `log_r`: nothing is at stake yet), the `end` of the last pane it
    took a step on, and of the panes since the bet that leads began, at `since`: labelled `rows` and their `losses`.
    """

    log_r: float | None = None
    state_rows: float
    excess: float
    squares: float
    end: int | None = None
    since: int = 0
    rows: int = 0
    losses: float = 0.0


class PerformanceRecord(Stored):
    """Of a model's performance: `measured` is how far the labels' clock has come, all words up to there said; by digest
    the lag `curves` in base 64 and the bets on `risks`. `not_assessed` are the bundles of which that was said.
    """

    measured: int | None = None
    curves: dict[str, str] = {}
    risks: dict[str, RiskRecord] = {}
    not_assessed: list[str] = []


class ModelRecord(Stored):
    """One model. `version` grows with each writing; `final` says, by digest, up to where windows can't change.

    `quality` is by digest; `canary_share` of the rows are not the champion's. `memories` hold, by digest, the
    detector's memory before the windows that may still change, in base 64. `scales` hold what was said of windows
    coarser than panes, by what they are; those that end by `settled`, by digest, can't change any more and are
    forgotten. `kept` is what final windows have of partitions at rest, by both.
    """

    model: str
    version: int = 0
    watermark: int | None = None
    champion: str | None = None
    deployment: int = 0
    windows: list[PublishedWindow] = []
    final: dict[str, int] = {}
    memories: dict[str, str] = {}
    days: dict[str, dict[int, Sums]] = {}
    published: dict[str, dict[str, int]] = {}
    incidents: list[Incident] = []
    quality: dict[str, QualityRecord] = {}
    canary_share: float = 0.0
    rollout: RolloutRecord = RolloutRecord()
    scales: dict[str, Said] = {}
    settled: dict[str, int] = {}
    kept: dict[str, Kept] = {}
    performance: PerformanceRecord = Field(default_factory=PerformanceRecord)
    outbox: list[Outgoing] = []
