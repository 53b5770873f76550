"""Incidents: which alarm opens one, which joins, and what ends it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from typing import Any, Literal

from services.drift_detection.domain.alarm.telling import MOST_TOLD, in_short, told
from services.drift_detection.domain.alarm.trail import Verdict
from services.drift_detection.domain.detector.changes import ASSUMPTION
from services.drift_detection.domain.explain.segments import moved_segments
from services.drift_detection.domain.source.parts import WindowKey
from services.drift_detection.domain.state import Incident
from services.drift_detection.domain.terms import Terms
from shared.events import DriftDetected, DriftedFeature, DriftResolved, DriftRetracted, Event, stable_id
from shared.reference.panes import MICROSECONDS, moment, time_of

HOUR = 3600 * MICROSECONDS
QUIET = 24 * HOUR
FAIR = "the reference is a fair sample of what is normal, its dispersion included"
REMEMBERED, MOST_KEPT = 50, 2_000  # ended incidents kept to be looked at, and streams that they name in all


@dataclass(frozen=True)
class Alarm:
    """What alarmed in one window. `end` in microseconds; `major` if some effect is; `terms` say by which budget."""

    key: WindowKey
    window_id: str
    end: int
    verdict: Verdict
    major: bool
    terms: Terms

    @property
    def severity(self) -> Literal["minor", "major"]:
        """In words."""
        return "major" if self.major else "minor"


class IncidentBook:
    """The incidents of one model; changes `incidents` in place and says what to publish."""

    def __init__(self, model: str, incidents: list[Incident]) -> None:
        self._model = model
        self.incidents = incidents

    def open_ones(self, digest: str) -> list[Incident]:
        """The open incidents of a bundle."""
        return [one for one in self.incidents if one.state == "open" and one.digest == digest]

    def is_open_for(self, key: WindowKey) -> bool:
        """Whether a window alarmed in an incident that is open."""
        return any(key.start in one.windows for one in self.open_ones(key.digest))

    def alarm(self, alarm: Alarm) -> list[Event]:
        """An alarm joins an open incident that shares a feature or was opened less than 1 h of event time away. One of
        risk joins whatever is open: it is a consequence.

        Else it opens one. Joining is published only if it raises the severity.
        """
        incident = self._to_join(alarm)
        if incident is None:
            return [self._open(alarm)]
        _join(incident, alarm)
        if alarm.major and incident.severity == "minor":
            incident.severity = "major"
            incident.revision += 1
            return [self._detected(incident, alarm)]
        return []

    def _to_join(self, alarm: Alarm) -> Incident | None:
        for incident in self.open_ones(alarm.key.digest):
            if _is_risk(alarm):
                return incident
            shared = not {one.name for one in alarm.verdict.alarms}.isdisjoint(_names(incident))
            if shared or alarm.key.start in incident.windows or abs(alarm.end - incident.opened) < HOUR:
                return incident
        return None

    def _open(self, alarm: Alarm) -> DriftDetected:
        incident = Incident(
            incident_id=self._identity(alarm),
            digest=alarm.key.digest,
            opened=alarm.end,
            onset=_onset(alarm),
            last_alarm=alarm.end,
            severity=alarm.severity,
            features={},
            also_moved={},
            windows={},
        )
        _join(incident, alarm)
        self.incidents.append(incident)
        return self._detected(incident, alarm)

    def _identity(self, alarm: Alarm) -> str:
        """One that was retracted may come back: as another, or an end that is read twice could be that of either."""
        known = {one.incident_id for one in self.incidents}
        first = stable_id(alarm.key.digest, alarm.window_id)
        again = (stable_id(alarm.key.digest, alarm.window_id, number) for number in count(1))
        return next(identity for identity in chain([first], again) if identity not in known)

    def _detected(self, incident: Incident, alarm: Alarm) -> DriftDetected:
        return DriftDetected(
            **self._about(incident, DriftDetected, alarm.end),
            revision=incident.revision,
            role="champion",
            window_id=alarm.window_id,
            start=moment(alarm.key.start),
            end=moment(alarm.end),
            onset=moment(incident.onset),
            severity=incident.severity,
            features=told(incident.features),
            also_moved=told(incident.also_moved),
            slices=moved_segments((*incident.features.values(), *incident.also_moved.values())),
            assumption=ASSUMPTION if any(one.rule == "jump" for one in incident.features.values()) else FAIR,
            **alarm.terms._asdict(),
        )

    def retract(self, key: WindowKey, window_id: str, end: int) -> list[Event]:
        """Late rows took the alarm of a window back; without any other alarm its incident is void."""
        incident = next((one for one in self.open_ones(key.digest) if key.start in one.windows), None)
        if incident is None:
            return []
        del incident.windows[key.start]
        _drop_what_no_window_names(incident)
        if incident.features:
            return []
        self._end(incident, "retracted", "retracted", end)
        return [DriftRetracted(**self._about(incident, DriftRetracted, end), window_id=window_id)]

    def settle(self, digest: str, before: int) -> None:
        """Windows that start before this time can't change any more."""
        for incident in self.open_ones(digest):
            for start in [start for start in incident.windows if start < before]:
                names = incident.windows.pop(start)
                incident.settled = sorted({*incident.settled, *names})

    def quiet(self, digest: str, now: int, in_range: Callable[[str, int], bool]) -> list[Event]:
        """End incidents with no alarm for 24 h whose features are all back in the range of the reference's days.

        `in_range` takes a feature and the time of the last alarm.
        """
        over = [
            incident
            for incident in self.open_ones(digest)
            if now - incident.last_alarm >= QUIET
            and all(in_range(name, incident.last_alarm) for name in sorted(_names(incident)))
        ]
        return [self._resolve(incident, "quiet", now) for incident in over]

    def champion_changed(self, champion: str, time: int) -> list[Event]:
        """End all incidents of other bundles."""
        over = [one for one in self.incidents if one.state == "open" and one.digest != champion]
        return [self._resolve(incident, "champion_changed", time) for incident in over]

    def _resolve(self, incident: Incident, reason: Literal["champion_changed", "quiet"], time: int) -> DriftResolved:
        self._end(incident, "resolved", reason, time)
        return DriftResolved(**self._about(incident, DriftResolved, time), reason=reason)

    def _about(self, incident: Incident, kind: type[Event], time: int) -> dict[str, Any]:
        """What every event on an incident says."""
        return {
            "id": stable_id(incident.incident_id, kind.__name__, incident.revision),
            "time": moment(time),
            "model": self._model,
            "incident_id": incident.incident_id,
            "digest": incident.digest,
        }

    def _end(self, incident: Incident, state: Literal["resolved", "retracted"], reason: str, time: int) -> None:
        incident.state, incident.reason, incident.closed = state, reason, time
        short = in_short(incident, MOST_TOLD)
        incident.features, incident.also_moved = short.features, short.also_moved
        self._forget()

    def _forget(self) -> None:
        """The oldest that ended: a record must fit into a message."""
        ended = [one for one in self.incidents if one.state != "open"]
        streams = 0
        for number, one in enumerate(reversed(ended), start=1):
            streams += len(one.features) + len(one.also_moved)
            if number > REMEMBERED or streams > MOST_KEPT:
                self.incidents.remove(one)


def _drop_what_no_window_names(incident: Incident) -> None:
    """Late rows took their alarms back."""
    remaining = set(incident.settled).union(*incident.windows.values())
    incident.features = {name: one for name, one in incident.features.items() if name in remaining}


def _names(incident: Incident) -> set[str]:
    """The features that alarmed, in whatever segment."""
    return {feature.name for feature in incident.features.values()}


def _is_risk(alarm: Alarm) -> bool:
    return all(feature.rule == "risk" for feature in alarm.verdict.alarms)


def _onset(alarm: Alarm) -> int:
    """When it began: by the best bet of each stream, the earliest."""
    known = [time_of(feature.onset) for feature in alarm.verdict.alarms if feature.onset is not None]
    return min([alarm.key.start, *known])


def _join(incident: Incident, alarm: Alarm) -> None:
    incident.features |= {feature.stream: feature for feature in alarm.verdict.alarms}
    moved: dict[str, DriftedFeature] = {feature.stream: feature for feature in alarm.verdict.also_moved}
    both = incident.also_moved | moved
    incident.also_moved = {stream: feature for stream, feature in both.items() if stream not in incident.features}
    if _is_risk(alarm):  # final when it is said: rows that come late take nothing of it back
        incident.settled = sorted({*incident.settled, *alarm.verdict.names})
    else:
        incident.windows[alarm.key.start] = sorted(alarm.verdict.names)
    _drop_what_no_window_names(incident)
    incident.onset = min(incident.onset, _onset(alarm))
    incident.last_alarm = max(incident.last_alarm, alarm.end)
