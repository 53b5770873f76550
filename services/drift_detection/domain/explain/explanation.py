"""An incident explained: what `/v1/incidents/{id}/explain` answers."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.drift_detection.domain.detector.effects import weight
from services.drift_detection.domain.explain.foremost import MOST_FEATURES, by_weight
from services.drift_detection.domain.explain.search import Answer, Found, search
from services.drift_detection.domain.explain.segments import moved_segments
from services.drift_detection.domain.explain.sides import Sides
from services.drift_detection.domain.explain.words import feature_lines, histogram_changes, slice_line
from services.drift_detection.domain.state import Incident
from shared.events import DriftedFeature
from shared.reference import Reference
from shared.reference.panes import moment


class SliceExplained(BaseModel):
    """Rows in which another feature has one level or lies in one quarter: the change there, and elsewhere.

    `difference` with its `standard_error` is by blocks of time; `p` holds for all slices and features together.
    """

    feature: str
    name: str
    rows_before: int
    rows_after: int
    change_inside: float
    change_outside: float
    difference: float
    standard_error: float
    p: float


class FeatureExplained(BaseModel):
    """A feature that alarmed, or the model's risk. `weight` is effect size times importance; `searched` says whether
    slices were looked at: none found then means that its change is everywhere alike. `measure` is what changed in them.
    """

    told: DriftedFeature
    weight: float
    changes: list[str]
    searched: bool
    measure: str | None
    slices: list[SliceExplained]


class AlarmedWindow(BaseModel):
    """A window that may still be revised, and the streams that alarmed in it."""

    start: datetime
    streams: list[str]


class Explanation(BaseModel):
    """`slices_from` the rows of the feature log, or the monitored segments alone, named in `segments`, where the log
    can't be read or has too few rows, or no feature alarmed (`why`). `looked_at` counts slices x features. `lines` say
    all this in words.
    """

    incident_id: str
    model: str
    digest: str
    state: Literal["open", "resolved", "retracted"]
    severity: Literal["minor", "major"]
    onset: datetime
    opened: datetime
    last_alarm: datetime
    closed: datetime | None
    windows: list[AlarmedWindow]
    slices_from: Literal["feature_log", "segments"]
    why: str | None
    rows_before: int
    rows_after: int
    looked_at: int
    segments: list[str]
    features: list[FeatureExplained]
    also_moved: list[str]
    lines: list[str] = Field(default_factory=list)


def explain(model: str, incident: Incident, reference: Reference | None, sides: Sides | str) -> Explanation:
    """Of an incident, by the rows of `sides`; without them by segments, and it is the reason why."""
    ordered = by_weight(incident.features.values())
    answer = Answer({}, {}, 0)
    if not isinstance(sides, str) and reference is not None:
        answer = search(ordered, sides, reference)
    why = sides if isinstance(sides, str) else _why_not(answer)
    told = Explanation(
        model=model,
        onset=moment(incident.onset),
        opened=moment(incident.opened),
        last_alarm=moment(incident.last_alarm),
        closed=None if incident.closed is None else moment(incident.closed),
        windows=[
            AlarmedWindow(start=moment(start), streams=names) for start, names in sorted(incident.windows.items())
        ],
        slices_from="segments" if why else "feature_log",
        why=why,
        rows_before=0 if isinstance(sides, str) else len(sides.before),
        rows_after=0 if isinstance(sides, str) else len(sides.after),
        looked_at=answer.looked_at,
        segments=list(moved_segments([*ordered, *incident.also_moved.values()])),
        features=[_explained(one, answer, searched=not why) for one in ordered],
        also_moved=sorted(incident.also_moved),
        **incident.model_dump(include={"incident_id", "digest", "state", "severity"}),
    )
    return told.model_copy(update={"lines": _lines(told)})


def _why_not(answer: Answer) -> str | None:
    """Why no slice was looked at, if none was."""
    if answer.looked_at:
        return None
    return "too few rows on one side of the onset" if answer.measures else "no feature alarmed that rows can tell of"


def _explained(told: DriftedFeature, answer: Answer, *, searched: bool) -> FeatureExplained:
    return FeatureExplained(
        told=told,
        weight=weight(told)[0],
        changes=histogram_changes(told),
        searched=searched and told.name in answer.measures,
        measure=answer.measures.get(told.name),
        slices=[_slice(found) for found in answer.found.get(told.name, [])],
    )


def _slice(found: Found) -> SliceExplained:
    contrast, (before, after) = found.contrast, found.one.inside
    return SliceExplained(
        feature=found.one.feature,
        name=found.one.name,
        rows_before=int(before.sum()),
        rows_after=int(after.sum()),
        change_inside=contrast.inside,
        change_outside=contrast.outside,
        difference=contrast.difference,
        standard_error=contrast.standard_error,
        p=found.p,
    )


def _lines(told: Explanation) -> list[str]:
    closed = "" if told.closed is None else f", closed {told.closed:%Y-%m-%d %H:%M} UTC"
    since, alarmed = (f"{time:%Y-%m-%d %H:%M} UTC" for time in (told.onset, told.last_alarm))
    whose = f"{told.severity} incident {told.incident_id} of {told.model}, {told.state}"
    lines = [f"{whose}: since {since}, alarmed up to {alarmed}{closed}"]
    for feature in told.features:
        lines += feature_lines(feature.told, feature.changes)
        lines += [slice_line(found, feature.measure or "") for found in feature.slices]
        lines += ["  everywhere alike"] if feature.searched and not feature.slices else []
    lines += [f"moved as well: {', '.join(told.also_moved)}"] if told.also_moved else []
    lines += [f"monitored segments that moved: {', '.join(told.segments)}"] if told.segments else []
    return [*lines, _source(told)]


def _source(told: Explanation) -> str:
    if told.why is not None:
        return f"slices: only among the monitored segments, as rows could not be compared: {told.why}"
    return (
        f"slices: {told.looked_at} looked at for the first {MOST_FEATURES} features,"
        f" corrected for all of them (Holm, 5 %); {told.rows_before} rows before the onset, {told.rows_after} after"
    )
