"""Which features of an incident are looked into: those that weigh most, each once."""

from collections.abc import Iterable

from services.drift_detection.domain.detector.effects import weight
from shared.events import DriftedFeature

MOST_FEATURES = 3


def by_weight(features: Iterable[DriftedFeature]) -> list[DriftedFeature]:
    """The greatest effect on the most important first."""
    return sorted(features, key=weight, reverse=True)


def foremost(features: Iterable[DriftedFeature]) -> set[str]:
    """The streams of the first three features in this order that rows can tell of."""
    first: dict[str, str] = {}
    for told in features:
        if told.rule != "risk" and len(first) < MOST_FEATURES:
            first.setdefault(told.name, told.stream)
    return set(first.values())
