"""The vocabulary: every event that passes between the services, and the table of their types."""

from shared.events.base import Event, Record, stable_id
from shared.events.drift import (
    CategoricalDrift,
    DriftDetected,
    DriftedFeature,
    DriftResolved,
    DriftRetracted,
    DriftRule,
    EffectMeasure,
    NumericDrift,
    Window,
    WindowClosed,
    WindowRevised,
)
from shared.events.governance import (
    ApprovalDecided,
    ApprovalRequested,
    CanaryShare,
    Decision,
    DeploymentChanged,
    Gate,
    ModelPromoted,
    ModelRegistered,
)
from shared.events.labels import LabelItem, LabelsReceived
from shared.events.performance import (
    BusinessMean,
    CalibrationTest,
    EstimatedMetric,
    MeasuredMetric,
    PerformanceEstimated,
    PerformanceMeasured,
)
from shared.events.quality import Arrival, ColumnQuality, DataQualityReported, Finding, Misfit
from shared.events.retraining import (
    ChallengerEvaluated,
    RetrainingDecided,
    RetrainingFailed,
    RetrainingStarted,
    Score,
    SnapshotPin,
)
from shared.events.rollout import MetricCompared, RolloutCompared
from shared.events.too_late import MissedWindow, RowsTooLate

EVENT_TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        LabelsReceived,
        WindowClosed,
        WindowRevised,
        RowsTooLate,
        DriftDetected,
        DriftRetracted,
        DriftResolved,
        DataQualityReported,
        PerformanceEstimated,
        PerformanceMeasured,
        RolloutCompared,
        RetrainingDecided,
        RetrainingStarted,
        ChallengerEvaluated,
        RetrainingFailed,
        ModelRegistered,
        ApprovalRequested,
        ApprovalDecided,
        ModelPromoted,
        DeploymentChanged,
    )
}

__all__ = [
    "EVENT_TYPES",
    "ApprovalDecided",
    "ApprovalRequested",
    "Arrival",
    "BusinessMean",
    "CalibrationTest",
    "CanaryShare",
    "CategoricalDrift",
    "ChallengerEvaluated",
    "ColumnQuality",
    "DataQualityReported",
    "Decision",
    "DeploymentChanged",
    "DriftDetected",
    "DriftResolved",
    "DriftRetracted",
    "DriftRule",
    "DriftedFeature",
    "EffectMeasure",
    "EstimatedMetric",
    "Event",
    "Finding",
    "Gate",
    "LabelItem",
    "LabelsReceived",
    "MeasuredMetric",
    "MetricCompared",
    "Misfit",
    "MissedWindow",
    "ModelPromoted",
    "ModelRegistered",
    "NumericDrift",
    "PerformanceEstimated",
    "PerformanceMeasured",
    "Record",
    "RetrainingDecided",
    "RetrainingFailed",
    "RetrainingStarted",
    "RolloutCompared",
    "RowsTooLate",
    "Score",
    "SnapshotPin",
    "Window",
    "WindowClosed",
    "WindowRevised",
    "stable_id",
]
