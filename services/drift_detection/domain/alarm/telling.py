"""How much is told of an incident: one of very many streams must still fit into a message."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from services.drift_detection.domain.explain.foremost import by_weight, foremost
from services.drift_detection.domain.state import Incident
from shared.events import DriftedFeature

MOST_SHOWN, MOST_TOLD = 20, 200  # streams with histograms, and in all
NO_HISTOGRAMS: dict[str, Any] = {"edges": (), "levels": (), "expected": (), "recent": ()}


def told(features: Mapping[str, DriftedFeature]) -> tuple[DriftedFeature, ...]:
    """What an event tells of them: a drift of everything must still fit into a message."""
    listed = list(features.values())[:MOST_TOLD]
    return (*listed[:MOST_SHOWN], *map(_bare, listed[MOST_SHOWN:]))


def plain(features: Iterable[DriftedFeature], but: Collection[str] = ()) -> dict[str, DriftedFeature]:
    """Without histograms, `but` those of these streams; by stream."""
    return {one.stream: one if one.stream in but else _bare(one) for one in features}


def _bare(feature: DriftedFeature) -> DriftedFeature:
    return feature.model_copy(update=NO_HISTOGRAMS)


def in_short(incident: Incident, most: int | None = None, *, histograms: bool = True) -> Incident:
    """With at most so many streams, those that weigh most; of these only the features that are looked into, or none,
    have histograms.
    """
    features = by_weight(incident.features.values())[:most]
    told_beside = [*incident.also_moved.values()][:most]
    kept = {
        "features": plain(features, but=foremost(features) if histograms else ()),
        "also_moved": plain(told_beside),
        "windows": {start: names[:most] for start, names in incident.windows.items()},
        "settled": incident.settled[:most],
    }
    return incident.model_copy(update=kept)
