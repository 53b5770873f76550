"""One model's labels and predictions: who has met whom, and what is remembered to find that without searching."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.feature_logging.domain.labels import LABEL_COLUMNS, MET, labels_of, waiting_or_newest
from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.pairs import PREDICTED, Label, Meeting, Row, RowKey, first_answers
from services.feature_logging.domain.remembered import RecentTimes, RememberedLabels
from services.feature_logging.domain.told import days, near, times_told, untold
from services.feature_logging.store.finding import Source, Wanted, find, rows_of
from services.feature_logging.store.following import Follower, NewFiles, Reader
from services.feature_logging.store.labels.outcomes import pairs_of
from shared.batch import PredictionBatch
from shared.feature_log.schema import OUTCOMES, PREDICTIONS, app_id, table_path
from shared.kafka.admin import LABELS
from shared.kafka.admin import PREDICTIONS as PREDICTIONS_TOPIC

# So many times as many labels as are remembered are read at a start, since most have met; and twice as many pairs,
# since two versions may have answered a row.
BACK = 4
_MET = pa.schema([OUTCOMES.field(name) for name in (*MET, "event_time")])
_TIMES = ["request_id", "event_time", "repeat"]
_READ = pa.schema([PREDICTIONS.field(name) for name in (*PREDICTED, "repeat")])


@dataclass(frozen=True)
class Bounds:
    """How many labels, and how many predictions' times, are remembered of a model."""

    labels: int
    times: int


DEFAULT_BOUNDS = Bounds(labels=100_000, times=200_000)


@dataclass
class Arrived:
    """What came of one model and is in its tables, in the order of each partition."""

    labels: list[tuple[Origin, list[Label]]] = field(default_factory=list)
    predictions: list[tuple[Origin, PredictionBatch]] = field(default_factory=list)

    def since(self, versions: dict[str, int]) -> "Arrived":
        """Of messages whose offset is at least the version of their app id."""

        def new(origin: Origin) -> bool:
            return origin.offset >= versions[app_id(origin.topic, origin.partition)]

        return Arrived(
            [each for each in self.labels if new(each[0])], [each for each in self.predictions if new(each[0])]
        )

    @property
    def triggers(self) -> list[Origin]:
        """The messages."""
        return [origin for origin, _ in (*self.labels, *self.predictions)]


class Matcher:
    """Finds who meets whom. What it remembers is built anew from the tables at its first use, and follows them."""

    def __init__(self, tables: Path, model: str, bounds: Bounds) -> None:
        self.remembered = RememberedLabels(bounds.labels)
        self.recent = RecentTimes(bounds.times)
        self._predictions, self._pairs = (
            Reader(table_path(tables, model, kind)) for kind in ("predictions", "outcomes")
        )
        self._bounds = bounds
        back = BACK * bounds.labels
        self._labels = {
            kind == "business": Follower(Reader(table_path(tables, model, kind)), LABELS, LABEL_COLUMNS, back)
            for kind in ("labels", "business")
        }
        self._times = Follower(self._predictions, PREDICTIONS_TOPIC, _TIMES, bounds.times, _untold)
        self._rows_since = 0  # the times were read
        self._untold_since = False
        self._met = NewFiles(self._pairs, _MET.names, 2 * back)

    def matched(self, apps: Iterable[str]) -> dict[str, int]:
        """By the app id of a topic partition the offset up to which its messages have made their pairs."""
        return self._pairs.versions(apps)

    def made_by(self, triggers: Sequence[Origin]) -> pa.Table:
        """The pairs that messages have made, in OUTCOMES."""
        delta = self._pairs.fresh() if triggers else None
        return OUTCOMES.empty_table() if delta is None else pairs_of(delta, triggers)

    def meetings(self, arrived: Arrived) -> list[Meeting]:
        """Each label that came with the predictions that are in the log, each prediction with the labels that are.

        The tables are read as they are now: of a label and a prediction that two workers committed at the same time, at
        least one finds the other.
        """
        self._follow()
        self._keep_times([batch for _, batch in arrived.predictions])
        came = [(origin, label) for origin, labels in arrived.labels for label in labels]
        answers = self._answers([label for _, label in came])
        found = [
            Meeting(origin, label, prediction) for origin, label in came for prediction in answers.get(label.key, ())
        ]
        for origin, batch in arrived.predictions if len(self.remembered) else ():
            found += self._waited_for(origin, batch)
        self.remembered.meet((meeting.label.key, meeting.prediction["event_time"]) for meeting in found)
        self.remembered.forget_oldest()
        return found

    def _follow(self) -> None:
        # First the pairs: of each that is seen the label is in its table. The oldest first, as labels are.
        pairs = [part.select(_MET.names).cast(_MET) for part in reversed(self._met.news())]
        met = pa.concat_tables([_MET.empty_table(), *pairs])
        for business, follower in self._labels.items():
            news = follower.news()
            if news is not None:
                kept, passed_over = waiting_or_newest(news, met, self._bounds.labels)
                self.remembered.add(labels_of(kept, business=business))
                self.remembered.passed_over(passed_over)
        if len(met):
            remembered = pc.SetLookupOptions(pa.array(self.remembered.ids(), pa.binary()))
            known = met.filter(pc.call_function("is_in", [met.column("request_id")], remembered))
            known = known.set_column(2, "event_time", known.column("event_time").cast(pa.int64()))
            ids, rows, times = (column.to_pylist() for column in known.columns)
            self.remembered.meet(zip(zip(ids, rows, strict=True), times, strict=True))

    def _answers(self, labels: list[Label]) -> dict[RowKey, list[Row]]:
        """The logged predictions of labels: looked for near the time that is told, then on its whole day, and at last
        when an id was predicted that tells no time or another.
        """
        delta = self._predictions.fresh() if labels else None
        if delta is None:
            return {}
        source = Source(self._predictions.path, delta, _READ)
        found: dict[RowKey, list[Row]] = {}
        for spans in (self._near, self._days, self._recent):
            missing = [label for label in labels if label.key not in found]
            found |= _found(source, spans(missing)) if missing else {}
        return found

    @staticmethod
    def _near(labels: list[Label]) -> Wanted:
        return {request_id: [near(time) for time in times] for request_id, times in times_told(labels).items()}

    @staticmethod
    def _days(labels: list[Label]) -> Wanted:
        return {request_id: [days(time) for time in times] for request_id, times in times_told(labels).items()}

    def _recent(self, labels: list[Label]) -> Wanted:
        self._learn_times()
        ids = {label.request_id for label in labels}
        return {request_id: [near(time) for time in self.recent.of(request_id)] for request_id in ids}

    def _keep_times(self, batches: list[PredictionBatch]) -> None:
        """Learn the times before more rows come than are looked through for them; where ids tell their own, never."""
        self._rows_since += sum(map(len, batches))
        if batches and not self._untold_since:
            ids = [request_id for batch in batches for request_id in batch.request_id]
            times = np.concatenate([batch.event_time.astype(np.int64) for batch in batches])
            self._untold_since = bool(untold(ids, times).any())
        if self._untold_since and self._rows_since >= self._bounds.times:
            self._learn_times()

    def _learn_times(self) -> None:
        self._rows_since, self._untold_since = 0, False
        news = self._times.news()
        if news is not None:
            ids, times = news.column("request_id"), news.column("event_time").cast(pa.int64())
            self.recent.add(ids.to_numpy().tolist(), times.to_numpy().tolist())

    def _waited_for(self, origin: Origin, batch: PredictionBatch) -> Iterator[Meeting]:
        # By the row, not by a set made of all that is remembered: messages are many and mostly small.
        keys = zip(batch.request_id, batch.row.tolist(), strict=True)
        known = np.fromiter(map(self.remembered.knows, keys), np.bool_, len(batch))
        chosen = np.flatnonzero(known & ~batch.repeat).tolist()
        for answers in first_answers(_rows(origin, batch, chosen)).values() if chosen else ():
            for prediction in answers:
                for label in self.remembered.of((prediction["request_id"], prediction["row"])):
                    yield Meeting(origin, label, prediction)


def _untold(rows: pa.Table) -> pa.Table:
    """Of rows of `predictions` those that may make pairs and don't lie on the day that their id tells."""
    rows = rows.filter(pc.call_function("invert", [rows.column("repeat")]))
    ids, times = rows.column("request_id").to_numpy().tolist(), rows.column("event_time").cast(pa.int64()).to_numpy()
    return rows.filter(pa.array(untold(ids, times)))


def _found(source: Source, wanted: Wanted) -> dict[RowKey, list[Row]]:
    wanted = {request_id: spans for request_id, spans in wanted.items() if spans}
    if not wanted:
        return {}
    rows = find(source, wanted)
    return first_answers(rows_of(rows.filter(pc.call_function("invert", [rows.column("repeat")]))))


def _rows(origin: Origin, batch: PredictionBatch, chosen: list[int]) -> list[Row]:
    times, shadow = batch.event_time.astype(np.int64), batch.champion_scores
    return [
        {
            "request_id": batch.request_id[place],
            "row": int(batch.row[place]),
            "event_time": int(times[place]),
            "role": batch.meta.role,
            "bundle_digest": batch.meta.digest,
            "definition_digest": batch.meta.definition_digest,
            "scores": batch.scores[place].tolist(),
            "champion_scores": None if shadow is None else shadow[place].tolist(),
            "source_partition": origin.partition,
            "source_offset": origin.offset,
            "source_row": place,
        }
        for place in chosen
    ]
