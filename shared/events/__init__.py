"""The vocabulary: every event that passes between the services, and the table of their types."""

from shared.events.base import Event, Record, stable_id
from shared.events.drift import (
    CategoricalDrift,
    DriftDetected,
    DriftedFeature,
    DriftResolved,
    DriftRetracted,
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
from shared.events.retraining import (
    ChallengerEvaluated,
    RetrainingDecided,
    RetrainingFailed,
    RetrainingStarted,
    Score,
    SnapshotPin,
)

EVENT_TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        LabelsReceived,
        WindowClosed,
        WindowRevised,
        DriftDetected,
        DriftRetracted,
        DriftResolved,
        PerformanceEstimated,
        PerformanceMeasured,
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
    "BusinessMean",
    "CalibrationTest",
    "CanaryShare",
    "CategoricalDrift",
    "ChallengerEvaluated",
    "Decision",
    "DeploymentChanged",
    "DriftDetected",
    "DriftResolved",
    "DriftRetracted",
    "DriftedFeature",
    "EstimatedMetric",
    "Event",
    "Gate",
    "LabelItem",
    "LabelsReceived",
    "MeasuredMetric",
    "ModelPromoted",
    "ModelRegistered",
    "NumericDrift",
    "PerformanceEstimated",
    "PerformanceMeasured",
    "Record",
    "RetrainingDecided",
    "RetrainingFailed",
    "RetrainingStarted",
    "Score",
    "SnapshotPin",
    "Window",
    "WindowClosed",
    "WindowRevised",
    "stable_id",
]
