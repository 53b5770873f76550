"""What drift_detection says: windows as they close, and incidents."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.batch import Role
from shared.events.base import Digest, Event, EventId, Finite, Record, UtcTime

DRIFT = "driftline.drift"


class NumericDrift(Record):
    """Effect sizes of one numeric feature or score in one window against the reference.

    `psi`, `ks`, `js` (base 2), `chi_square` have no unit, `wasserstein` has the feature's; shares are of all rows,
    `out_of_range` of those not missing. A statistic is None where the window has no value for it.
    `counts` of the window and `expected` shares of the reference, per bin between `edges`.
    """

    name: str
    rows: int = Field(ge=0)
    missing_share: Finite
    out_of_range_share: Finite | None
    mean: Finite | None
    psi: Finite | None
    ks: Finite | None
    wasserstein: Finite | None
    js: Finite | None
    chi_square: Finite | None
    edges: tuple[Finite, ...]
    counts: tuple[int, ...]
    expected: tuple[Finite, ...]


class CategoricalDrift(Record):
    """The same for a categorical feature; the last of `levels` is "rare or unseen"."""

    name: str
    rows: int = Field(ge=0)
    missing_share: Finite
    unseen_share: Finite | None
    psi: Finite | None
    js: Finite | None
    chi_square: Finite | None
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    expected: tuple[Finite, ...]


class Window(Event, frozen=True):
    """One tumbling window [start, end) in event time of one (bundle digest, role, segment); `time` is its end.

    `segment` is "all", or the rows in which a feature has one level, such as `origin=JFK`; `reference_digest` is that
    of the segment's own reference. A pane, the finest window, has neither `scale_seconds` nor `scale_rows`. The others
    are panes merged: all that begin in so many seconds (86,400: a local day), or successive ones until they hold so
    many rows, and these are published once all their panes can't change any more.
    """

    topic: ClassVar[str] = DRIFT
    window_id: EventId
    revision: int = Field(ge=0)
    digest: Digest
    reference_digest: Digest
    role: Role
    start: UtcTime
    end: UtcTime
    rows: int = Field(ge=0)
    repeats: int = Field(ge=0)
    late_rows: int = Field(ge=0)
    segment: str = "all"
    scale_seconds: int | None = Field(default=None, ge=1)
    scale_rows: int | None = Field(default=None, ge=1)
    numeric: tuple[NumericDrift, ...]
    categorical: tuple[CategoricalDrift, ...]
    scores: tuple[NumericDrift, ...]

    @property
    def is_pane(self) -> bool:
        """Whether it is of the finest windows, which alarms look at."""
        return self.scale_seconds is None and self.scale_rows is None

    @property
    def is_whole(self) -> bool:
        """Whether it is of all rows, not of a segment."""
        return self.segment == "all"


class WindowClosed(Window, frozen=True):
    """The first word on a window: the watermark has passed its end. `revision` is 0."""

    type: Literal["WindowClosed"] = "WindowClosed"


class WindowRevised(Window, frozen=True):
    """Rows came late but within the allowed lateness; the same `window_id`, the next `revision`."""

    type: Literal["WindowRevised"] = "WindowRevised"


# Which bet found it: a shift or another spread of a numeric feature, another mix of a categorical one, another shape of
# either; a rate of missing rows, exact zeros, values out of range; the change from pane to pane; the model's risk.
DriftRule = Literal["shift", "spread", "mix", "shape", "missing", "zeros", "range", "jump", "stuck", "risk"]
EffectMeasure = Literal["d", "h", "w"]


class DriftedFeature(Record):
    """A feature or score of a segment that alarmed or moved beside the alarm.

    `evidence` is the e-value of its stream: how many times more likely its rows are under some change than under none,
    margins taken off. `statistic` passed `threshold`: for a jump its z, else the logarithm of the evidence. `effect`
    is the change in the feature's unit (shift, jump, spread is told as a total variation) or of a share; of the
    model's risk (name and rule "risk": no feature) it is the realised one less the reference's. `size` is
    Cohen's d, h or w, by `measure`. `onset` is the start of the pane in which it began by the best bet. `importance`
    is η² of the score by the feature's bins in the reference. `expected` are the reference's shares of the bins
    between `edges`, or of `levels`; `recent` those of recent rows, the latest weighing most. Of an incident the first
    20 have them, and the first 200 are told.
    """

    name: str
    segment: str = "all"
    rule: DriftRule
    statistic: Finite
    threshold: Finite
    evidence: Finite
    effect: Finite
    size: Finite | None = None
    measure: EffectMeasure | None = None
    onset: UtcTime | None = None
    importance: Finite | None = None
    edges: tuple[Finite, ...] = ()
    levels: tuple[str, ...] = ()
    expected: tuple[Finite, ...] = ()
    recent: tuple[Finite, ...] = ()

    @property
    def stream(self) -> str:
        """Its name, with its segment if that is not all rows."""
        return self.name if self.segment == "all" else f"{self.name} of {self.segment}"


class DriftDetected(Event, frozen=True):
    """An alarm opened an incident, or (`revision` > 0) raised its severity. `time` is the end of the alarmed window.

    `budget` is A, steps of a stream in the period that may hold one false alarm; `streams` is F, which share it.
    `mode`: guaranteed, or calibrated by simulation. Features with the greatest effect on the most important come first.
    `slices` are the monitored segments whose own streams alarmed or moved, that of the greatest evidence first.
    """

    topic: ClassVar[str] = DRIFT
    type: Literal["DriftDetected"] = "DriftDetected"
    incident_id: EventId
    revision: int = Field(default=0, ge=0)
    digest: Digest
    role: Role
    window_id: EventId
    start: UtcTime
    end: UtcTime
    onset: UtcTime
    severity: Literal["minor", "major"]
    features: tuple[DriftedFeature, ...] = Field(min_length=1)
    also_moved: tuple[DriftedFeature, ...]
    slices: tuple[str, ...] = ()
    budget: Finite
    streams: int | None = Field(default=None, ge=1)
    mode: Literal["guaranteed", "calibrated"] = "guaranteed"
    reference_digest: Digest | None = None
    assumption: str


class DriftRetracted(Event, frozen=True):
    """Late rows took an alarm back before anything else joined its incident. If it comes back, it opens another."""

    topic: ClassVar[str] = DRIFT
    type: Literal["DriftRetracted"] = "DriftRetracted"
    incident_id: EventId
    digest: Digest
    window_id: EventId


class DriftResolved(Event, frozen=True):
    """An incident ended: another champion serves, or its features are quiet and back in range."""

    topic: ClassVar[str] = DRIFT
    type: Literal["DriftResolved"] = "DriftResolved"
    incident_id: EventId
    digest: Digest
    reason: Literal["champion_changed", "quiet"]
