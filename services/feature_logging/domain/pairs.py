"""Which labels and predictions make a pair: each once, and a later label of the same row takes the earlier one back."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from services.feature_logging.domain.origin import Origin

# A row of the log by column name, times in microseconds since 1970.
Row = Mapping[str, Any]
RowKey = tuple[bytes, int]
# Of a row's labels the one of the highest counts: the latest or, where times are equal, the one that was logged first.
# Training's snapshots (`shared.feature_log.selection`) and the view `joined` go by the same rule.
Rank = tuple[int, int, int, int, int]
# request_id, row, business, role, bundle_digest
PairKey = tuple[bytes, int, bool, str, str]
PREDICTED = (
    "request_id",
    "row",
    "event_time",
    "role",
    "bundle_digest",
    "definition_digest",
    "scores",
    "champion_scores",
    "source_partition",
    "source_offset",
    "source_row",
)


class Label(NamedTuple):
    """A label as it was logged. `time`, `told`, the prediction's time by whom sent it, and `logged`, by Kafka's clock,
    in microseconds since 1970; `partition`, `offset` and `position` are its place in driftline.labels.
    """

    request_id: bytes
    row: int
    business: bool
    value: float
    time: int
    told: int | None
    logged: int
    partition: int
    offset: int
    position: int

    @property
    def key(self) -> RowKey:
        """Of its prediction."""
        return self.request_id, self.row

    @property
    def rank(self) -> Rank:
        """See `Rank`."""
        return self.time, -self.logged, -self.partition, -self.offset, -self.position


class Meeting(NamedTuple):
    """A label and a prediction of the same row, and the message whose coming brought them together."""

    trigger: Origin
    label: Label
    prediction: Row


def first_answers(rows: Iterable[Row]) -> dict[RowKey, list[Row]]:
    """By (request_id, row) the first row of each (role, digest); `rows` are no repeats."""
    found: dict[RowKey, dict[tuple[str, str], Row]] = {}
    for row in rows:
        answers = found.setdefault((row["request_id"], row["row"]), {})
        version = row["role"], row["bundle_digest"]
        if version not in answers or _age(row) < _age(answers[version]):
            answers[version] = row
    return {key: list(answers.values()) for key, answers in found.items()}


def _age(row: Row) -> tuple[int, ...]:
    return row["event_time"], row["source_partition"], row["source_offset"], row["source_row"]


def pair_key(row: Row) -> PairKey:
    """Of a pair: what has one label in force at a time."""
    return row["request_id"], row["row"], row["business"], row["role"], row["bundle_digest"]


def in_force(pairs: Iterable[Row]) -> dict[PairKey, Row]:
    """Of each row the pair with the latest label."""
    found: dict[PairKey, Row] = {}
    for pair in pairs:
        known = found.get(pair_key(pair))
        if known is None or _rank(known) < _rank(pair):
            found[pair_key(pair)] = pair
    return found


def _rank(pair: Row) -> Rank:
    places = (pair[name] for name in ("label_log_time", "label_partition", "label_offset", "label_row"))
    logged, partition, offset, position = places
    return pair["label_time"], -logged, -partition, -offset, -position


def new_pairs(
    meetings: Iterable[Meeting], before: Mapping[PairKey, Row], counts: Callable[[Label, Row], bool]
) -> list[dict[str, Any]]:
    """The pairs that meetings make in their order, as rows of the table `outcomes` without `number` and `event_day`.

    `before` are the pairs in force. A label of no higher rank than the one in force makes none: it is a repeat, or came
    too late; neither does one that does not count.
    """
    known, made = dict(before), []
    for trigger, label, prediction in meetings:
        key = (*label.key, label.business, prediction["role"], prediction["bundle_digest"])
        last = known.get(key)
        if (last and label.rank <= _rank(last)) or not counts(label, prediction):
            continue
        pair = _pair(trigger, label, last or prediction)  # what is taken back was of that answer
        pair["replaced"] = last["label"] if last else None
        known[key] = pair
        made.append(pair)
    return made


def _pair(trigger: Origin, label: Label, prediction: Row) -> dict[str, Any]:
    return {
        **{name: prediction[name] for name in PREDICTED},
        "business": label.business,
        "label": label.value,
        "label_time": label.time,
        "label_log_time": label.logged,
        "label_partition": label.partition,
        "label_offset": label.offset,
        "label_row": label.position,
        "trigger_topic": trigger.topic,
        "trigger_partition": trigger.partition,
        "trigger_offset": trigger.offset,
        "log_time": trigger.timestamp_ms * 1000,
    }
