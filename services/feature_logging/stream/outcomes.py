"""Collecting what came, and saying what met once it is in the tables: each pair once, or bit for bit again."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pyarrow as pa
from prometheus_client import Counter, Gauge

from services.feature_logging.domain.forgetting import Conceals
from services.feature_logging.domain.origin import Origin
from services.feature_logging.domain.pairs import Label, Meeting, Row
from services.feature_logging.models import Known
from services.feature_logging.store.labels.matcher import Arrived, Bounds, Matcher
from services.feature_logging.store.labels.outcomes import NewPairs, outcomes_place
from services.feature_logging.store.log import FeatureLog
from services.feature_logging.stream.publication import outcome_messages
from shared.batch import PredictionBatch
from shared.errors import Unreadable
from shared.feature_log.schema import app_id
from shared.kafka.message import OutMessage

PAIRS = Counter("driftline_feature_log_pairs_total", "Labels that met a prediction", ["model", "kind"])
WAITING = Gauge("driftline_feature_log_waiting_labels", "Labels that wait for a prediction", ["model"])
FORGOTTEN = Counter(
    "driftline_feature_log_forgotten_total", "Remembered no more, since there was too much of it", ["model", "what"]
)


class Outcomes:
    """Collects what came, and says what met once it is in the tables. `rows`: of all that came since the last flush;
    `taken`: how many of each topic ever came.
    """

    def __init__(
        self, feature_log: FeatureLog, bundle: Callable[[str], Awaitable[Known]], concealer: Conceals, bounds: Bounds
    ) -> None:
        self._log = feature_log
        self._concealer = concealer
        self._bundle = bundle
        self._bounds = bounds
        self._matchers: dict[str, Matcher] = {}
        self.taken: dict[str, int] = defaultdict(int)
        self.forget()

    def forget(self) -> None:
        """Drop what came since the last flush: it is read again."""
        self._arrived: dict[str, Arrived] = {}
        self.rows = 0

    def labels_came(self, model: str, origin: Origin, labels: list[Label]) -> None:
        """A message of labels is in the tables, or waits for their next commit."""
        self._arrived.setdefault(model, Arrived()).labels.append((origin, labels))
        self.rows += len(labels)
        self.taken[origin.topic] += len(labels)

    def predictions_came(self, origin: Origin, batch: PredictionBatch) -> None:
        """A message of predictions is in the tables, or waits for their next commit."""
        self._arrived.setdefault(batch.meta.model, Arrived()).predictions.append((origin, batch))
        self.rows += len(batch)
        self.taken[origin.topic] += len(batch)

    async def flush(self) -> list[OutMessage]:
        """What is to be published of all that came; it is in the tables.

        Raises:
            Fenced, NotDurable: see FeatureLog.
        """
        messages: list[OutMessage] = []
        for model, came in self._arrived.items():
            messages += outcome_messages(model, await self._pairs(model, came))
        self.forget()
        return messages

    async def _pairs(self, model: str, came: Arrived) -> pa.Table:
        """Those that the messages make, or made before they were read again."""
        place = outcomes_place(self._log.tables, model)
        matcher = self._matchers.setdefault(model, Matcher(self._log.tables, model, self._bounds))
        versions = await self._log.read(partial(matcher.matched, set(map(_app, came.triggers))))
        meetings = await self._log.read(partial(matcher.meetings, came.since(versions)))
        self._tell(model, matcher)
        remembered = partial(self._concealer.meetings, model)
        pairs = NewPairs(meetings, versions, await self._judge(meetings), matcher.remembered.predicted, remembered)
        if meetings:
            await self._log.write(place, pairs)
        for business, kind in ((False, "label"), (True, "business")):
            PAIRS.labels(model, kind).inc(pairs.rows.column("business").to_pylist().count(business))
        again = [trigger for trigger in came.triggers if trigger.offset < versions[_app(trigger)]]
        return pa.concat_tables([await self._log.read(partial(matcher.made_by, again)), pairs.rows])

    async def _judge(self, meetings: Sequence[Meeting]) -> Callable[[Label, Row], bool]:
        """Whether a label counts: a value of its kind, not older than its prediction."""
        digests = {meeting.prediction["bundle_digest"] for meeting in meetings}
        binary = {digest for digest in digests if await self._is_binary(digest)}

        def counts(label: Label, prediction: Row) -> bool:
            fits = label.business or prediction["bundle_digest"] not in binary or label.value in (0, 1)
            return fits and label.time >= prediction["event_time"]

        return counts

    async def _is_binary(self, digest: str) -> bool:
        try:
            return (await self._bundle(digest)).definition.label.kind == "binary"
        except Unreadable:  # the bundle was there when its predictions were logged, and is there no more
            return False

    def _tell(self, model: str, matcher: Matcher) -> None:
        WAITING.labels(model).set(matcher.remembered.waiting)
        FORGOTTEN.labels(model, "label").inc(matcher.remembered.forgotten())
        FORGOTTEN.labels(model, "time").inc(matcher.recent.forgotten())


def _app(trigger: Origin) -> str:
    return app_id(trigger.topic, trigger.partition)
