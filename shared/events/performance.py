"""What drift_detection says of a model's performance: expected before the labels come, measured when they have."""

from typing import ClassVar, Literal

from pydantic import Field

from shared.batch import Role
from shared.events.base import Digest, Event, EventId, Finite, Record, UtcTime
from shared.events.drift import DRIFT

Count = Field(ge=0)


class EstimatedMetric(Record):
    """The mean of one loss (or `auc`) that is expected over a window's rows, of which the labels are not known.

    Losses: log_loss (nats), brier, error_rate (one minus accuracy); squared_error, absolute_error (the label's unit,
    squared or not), bounded_error (0 to 1). The value that the labels will show lies within [lower, upper] with 95 %
    confidence as long as a score means what it meant in the reference, whose own mean is `reference`; it is not known
    to if the loss is `skewed`: so few rows decide its mean that a reference or window of this size does not tell.
    """

    name: str
    value: Finite
    lower: Finite
    upper: Finite
    reference: Finite
    skewed: bool = False


class PerformanceEstimated(Event, frozen=True):
    """The expected performance in a window, from its scores alone; the `window_id` and `revision` of the window.

    `rows` have a score, `outside` of them one beyond the reference's range. `confidence` counts rows by max(p, 1 - p)
    in ten bins of equal width from 0.5 to 1 (binary; a fine bin's rows count where their mean lies). `not_assessed`
    says why there are no metrics.
    """

    topic: ClassVar[str] = DRIFT
    type: Literal["PerformanceEstimated"] = "PerformanceEstimated"
    window_id: EventId
    revision: int = Count
    digest: Digest
    reference_digest: Digest
    role: Role
    start: UtcTime
    end: UtcTime
    rows: int = Count
    outside: int = Count
    metrics: tuple[EstimatedMetric, ...]
    confidence: tuple[int, ...]
    not_assessed: str | None


class MeasuredMetric(Record):
    """The mean of one loss over a window's labelled rows.

    `realised` is of the labels that are there; `corrected` is what it is expected to be once all have come, which lies
    within [lower, upper] with 95 % confidence if labels keep coming as they did before (None until that is known).
    `standard_error`: of `realised` as a measurement of the model's risk. `expected`: the estimate for the rows that are
    labelled, and whether its interval `covered` what was realised (None before the expected delay of labels is over,
    and where the loss is skewed). `auc` has no correction and no error of its own.
    """

    name: str
    realised: Finite
    standard_error: Finite | None
    corrected: Finite | None
    lower: Finite | None
    upper: Finite | None
    expected: EstimatedMetric
    covered: bool | None


class CalibrationTest(Record):
    """Whether labels depended on scores as in the reference: chi-square on the mean and the slope of what they differ
    by, 2 degrees of freedom (None where few rows decide that mean); for regression also the mean of bounded_error, by
    the normal distribution, and then `p` is the smaller of both, doubled. `holds` where p >= 0.01.
    """

    rows: int = Count
    statistic: Finite | None
    p: Finite
    holds: bool


class BusinessMean(Record):
    """The mean of the business outcomes that came for a window's rows, so far, and its standard error."""

    rows: int = Count
    mean: Finite
    standard_error: Finite | None


class PerformanceMeasured(Event, frozen=True):
    """The performance in a window by the labels that came up to `as_of`, their own time; `time` is the window's end.

    The same `window_id` as the window's, with revisions of its own: more labels make the next one, `final` the last.
    `rows` were predicted, `labelled` of them have a label; `expected_share` of them is usual at this age (None until
    that is known). `corrections` replaced a label; `unfit` labels do not count: no value of the label's kind, older
    than their prediction, or of a row without a score; `capped` losses lay beyond what can be counted.
    """

    topic: ClassVar[str] = DRIFT
    type: Literal["PerformanceMeasured"] = "PerformanceMeasured"
    window_id: EventId
    revision: int = Count
    digest: Digest
    reference_digest: Digest
    role: Role
    start: UtcTime
    end: UtcTime
    as_of: UtcTime
    final: bool
    rows: int = Count
    labelled: int = Count
    expected_share: Finite | None
    corrections: int = Count
    unfit: int = Count
    capped: int = Count
    metrics: tuple[MeasuredMetric, ...]
    calibration: CalibrationTest | None
    business: BusinessMean | None
