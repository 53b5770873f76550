"""Which monitored segments an incident shows in: what is known without looking at any row."""

from collections.abc import Iterable

from shared.events import DriftedFeature
from shared.reference.segments import ALL


def moved_segments(features: Iterable[DriftedFeature]) -> tuple[str, ...]:
    """The segments whose own streams alarmed or moved, that of the greatest evidence first."""
    evidence: dict[str, float] = {}
    for told in features:
        if told.segment != ALL:
            evidence[told.segment] = max(told.evidence, evidence.get(told.segment, 0.0))
    return tuple(sorted(evidence, key=lambda name: (-evidence[name], name)))
