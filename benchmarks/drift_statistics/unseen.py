"""What else finds a fault that the bets on features do not name: the score's bets, the estimate, the risk by labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift_statistics.faults import CASES, FaultCase
from benchmarks.drift_statistics.flights import HOUR, LIVE, Feed, Flights, with_fault
from benchmarks.performance_estimate.models import window_of
from benchmarks.rows import Row
from models.flight_delays.data import read_flights
from models.flight_delays.graph import probabilities
from models.flight_delays.train import fit
from services.drift_detection.domain.detector.bank import Memory
from services.drift_detection.domain.performance import risk_watch
from services.drift_detection.domain.performance.bundle import Assessed
from services.drift_detection.domain.performance.estimate import ScoreBins, estimate
from services.drift_detection.domain.performance.outcomes import WindowOutcomes
from services.drift_detection.domain.state import RiskRecord
from services.drift_detection.domain.watched import Watched
from shared.features import Float32, model_input
from shared.reference import build_reference
from shared.reference.losses import losses
from shared.reference.panes import Int64, time_of
from shared.training import TrainingData

Float64 = NDArray[np.float64]
NAMES = ("wind mph→m/s", "temp, dewp °F→°C")  # the second shows what a costly one looks like
DAYS = 6


@dataclass(frozen=True)
class Labelled:
    """Flights with the model's scores float32 [n, 1], labels float64 [n] (NaN: none comes) and the hours until then."""

    feed: Feed
    scores: Float32
    labels: Float64
    hours: Float64


@dataclass
class Watching:
    """What has been seen so far: by the detector, and by the bet on risk."""

    memory: Memory
    risk: RiskRecord


class Model:
    """Fitted on January and February, with a reference that knows its scores and losses."""

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        table, definition = read_flights(), flights.definition
        self._labels = np.asarray(table["label"].to_numpy(), dtype=np.float64)
        late = table["label_time"].cast("timestamp[us]").cast("int64").to_numpy(zero_copy_only=False)
        self._hours = (np.asarray(late, dtype=np.float64) - flights.feed.times) / HOUR
        early = (flights.feed.times < time_of(LIVE)) & ~np.isnan(self._labels)
        rows, labels, times = flights.feed.rows[early], self._labels[early], flights.feed.times[early]
        names = tuple(feature.name for feature in definition.features)
        when = times.astype("datetime64[us]")
        data = TrainingData(model_input(rows, definition), labels, when, names, flights.categories)
        training = definition.training
        fitted = fit(data, training.hyperparameters if training else {}, training.seed if training else 0)
        self._onnx = fitted.onnx
        out_of_fold = fitted.out_of_fold
        reference = build_reference(rows, when, out_of_fold, definition, flights.categories, labels=labels)
        self.watched = Watched("0" * 64, definition, reference)
        assessed = Assessed.of(self.watched)
        assert assessed is not None  # it was built with labels
        self.assessed = assessed

    def labelled(self, feed: Feed, start: datetime, end: datetime) -> Labelled:
        """A part of a feed that has all flights of the year, in their order."""
        part = slice(*np.searchsorted(feed.times, [time_of(start), time_of(end)]).tolist())
        rows = feed.rows[part]
        scores = probabilities(self._onnx, model_input(rows, self._flights.definition))[:, 1:]
        return Labelled(Feed(feed.times[part], rows), scores, self._labels[part], self._hours[part])

    def before(self, beginnings: tuple[datetime, ...]) -> list[Watching]:
        """What was seen of the flights as they are up to each of these, in order of time."""
        seen, found, since = (
            Watching(self.watched.bank.start(), risk_watch.start(self.assessed)),
            list[Watching](),
            LIVE,
        )
        for start in beginnings:
            self.watch(seen, self.labelled(self._flights.feed, since, start))
            found.append(Watching(seen.memory, seen.risk.model_copy()))
            since = start
        return found

    def watch(self, seen: Watching, flights: Labelled) -> tuple[list[int], list[int]]:
        """Step over these hours; the ends of those that the score's bets name, and when the bet on risk alarms."""
        settled = self.assessed.schedule.lateness + self.assessed.schedule.delay
        named, alarmed = list[int](), list[int]()
        for hour in np.unique(flights.feed.times // HOUR).tolist():
            part = flights.feed.times // HOUR == hour
            sketch = self.watched.reference.empty_sketch()
            sketch.add(flights.feed.rows[part], flights.scores[part], self.watched.reference.measure)
            step = self.watched.bank.step(seen.memory, hour * HOUR, {"all": sketch})
            seen.memory, end = step.after, (hour + 1) * HOUR
            if any(alarm.name == "score" for alarm in self.watched.findings.named(step)):
                named.append(end)
            known = part & (flights.feed.times + flights.hours * HOUR <= end + settled)
            sums = risk_watch.loss_sums(self.assessed, self._outcomes(flights, known))
            if risk_watch.step(self.assessed, seen.risk, hour * HOUR, sums) is not None:
                alarmed.append(end + settled)
        return named, alarmed

    def _outcomes(self, flights: Labelled, known: NDArray[np.bool_]) -> WindowOutcomes:
        return window_of(self.assessed.scorer, flights.scores[known], flights.labels[known])


@dataclass
class Told:
    """Of all beginnings: hours until the score is named and until risk alarms; days whose estimate is surely above the
    reference's, with the fault and without; the log loss that the labels show, with it and without.
    """

    named: list[float]
    alarmed: list[float]
    above: tuple[int, int]
    loss: tuple[float, float]


def rows(flights: Flights, beginnings: tuple[datetime, ...]) -> Iterator[Row]:
    """Of each such fault what finds it, or that nothing does, and what it costs."""
    model = Model(flights)
    before = model.before(beginnings)
    for case in CASES:
        if case.name in NAMES:
            yield from _rows(case, _look(flights, model, case, beginnings, before))


def _rows(case: FaultCase, told: Told) -> Iterator[Row]:
    fault, days = f"flights, {case.name}", DAYS * len(told.named)
    with_it, without = told.loss
    above, anyway = told.above
    estimate_says = f"{fault}: days of {days} whose estimate without labels is surely above the reference's log loss"
    for name, value in (
        (f"{fault}: log loss in {DAYS} days, by all labels", f"{with_it:.4f}, without the fault {without:.4f}"),
        (f"{fault}: the score's own bets name it after", _hours(told.named)),
        (estimate_says, f"{above}, without the fault {anyway}"),
        (f"{fault}: the bet on risk alarms after", _hours(told.alarmed)),
    ):
        yield Row(name, value, "said", True)


def _hours(found: list[float]) -> str:
    there = [hours for hours in found if np.isfinite(hours)]
    if not there:
        return f"not found in {DAYS} days"
    return f"{min(there):.0f} to {max(there):.0f} h, in {len(there)} of {len(found)}"


def _look(
    flights: Flights, model: Model, case: FaultCase, beginnings: tuple[datetime, ...], before: list[Watching]
) -> Told:
    told = Told([], [], (0, 0), (0.0, 0.0))
    pairs = list[tuple[Float64, Float64]]()
    for start, known in zip(beginnings, before, strict=True):
        end, seen = start + timedelta(days=DAYS), Watching(known.memory, known.risk.model_copy())
        faulty = model.labelled(with_fault(flights, flights.feed, start, case.fault), start, end)
        clean = model.labelled(flights.feed, start, end)
        named, alarmed = model.watch(seen, faulty)
        told.named.append((min(named) - time_of(start)) / HOUR if named else np.inf)
        told.alarmed.append((min(alarmed) - time_of(start)) / HOUR if alarmed else np.inf)
        told.above = (told.above[0] + _above(model, faulty), told.above[1] + _above(model, clean))
        pairs.append((_log_losses(faulty), _log_losses(clean)))
    told.loss = (
        float(np.concatenate([pair[0] for pair in pairs]).mean()),
        float(np.concatenate([pair[1] for pair in pairs]).mean()),
    )
    return told


def _above(model: Model, flights: Labelled) -> int:
    days = (flights.feed.times - flights.feed.times[0]) // (24 * HOUR)
    return sum(_is_above(model, flights, np.flatnonzero(days == day)) for day in range(DAYS))


def _is_above(model: Model, flights: Labelled, day: Int64) -> bool:
    sketch = model.watched.reference.empty_sketch()
    sketch.add(flights.feed.rows[day], flights.scores[day], model.watched.reference.measure)
    metric = estimate(model.watched.reference, ScoreBins.of(sketch))[0]
    return metric.lower > metric.reference


def _log_losses(flights: Labelled) -> Float64:
    known = ~np.isnan(flights.labels)
    return losses("binary", flights.labels[known], flights.scores[known, 0].astype(np.float64), 1.0)[:, 0]
