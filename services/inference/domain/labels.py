"""Labels as a client posts them, and the events that carry them."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from shared.definition import LabelKind
from shared.errors import InvalidInput, first_problem
from shared.events import LabelItem, LabelsReceived, stable_id
from shared.events.labels import AHEAD, MOST_DAYS, beyond_days

PER_EVENT = 1_000
PER_EVENT_BYTES = 700_000  # a Kafka message holds at most 1 MB

_ITEM = re.compile(r"^(\d+)")
_LABELS = TypeAdapter(list[LabelItem])
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # as for predictions: a UUIDv7 can't say an earlier time


def read_labels(body: bytes, kind: LabelKind, now: datetime) -> list[LabelItem]:
    """The labels in a JSON list, for a model whose label is of this kind; `now` is the wall clock's time.

    Raises:
        InvalidInput: `field` is the path of what is wrong, such as `labels[3].value`.
    """
    try:
        labels = _LABELS.validate_json(body, strict=True)
    except ValidationError as error:
        where, expected = first_problem(error, "body")
        raise InvalidInput(_ITEM.sub(r"labels[\1]", where), expected) from None
    if not labels:
        raise InvalidInput("labels", "at least one label")
    for position, label in enumerate(labels):
        _check(label, f"labels[{position}]", kind, now)
    if (beyond := beyond_days(labels)) is not None:
        expected = f"labels of at most {MOST_DAYS} different days (UTC) in one post; send several"
        raise InvalidInput(f"labels[{beyond}].event_time", expected)
    return labels


def _check(label: LabelItem, where: str, kind: LabelKind, now: datetime) -> None:
    if label.kind == "label" and kind == "binary" and label.value not in (0, 1):
        raise InvalidInput(f"{where}.value", "0 or 1, for the model's label is binary")
    _check_time(label.event_time, f"{where}.event_time", now)
    if label.prediction_time is not None:
        _check_time(label.prediction_time, f"{where}.prediction_time", now)
        if label.event_time < label.prediction_time:
            raise InvalidInput(f"{where}.event_time", "not before prediction_time: what is known then needs no model")


def _check_time(time: datetime, where: str, now: datetime) -> None:
    if not _EARLIEST <= time <= now + AHEAD:
        minutes = AHEAD // timedelta(minutes=1)
        raise InvalidInput(where, f"a time from 1970 on and at most {minutes} minutes ahead of now")


def events(model: str, labels: Sequence[LabelItem]) -> Iterator[LabelsReceived]:
    """The labels in their order, in events of at most 1,000 labels, 31 days and 700 kB; the same labels give the same
    ids.
    """
    part: list[LabelItem] = []
    texts: list[str] = []
    days: set[date] = set()
    size = 0
    for label in labels:
        text, day = label.model_dump_json(), label.event_time.date()
        full = len(part) == PER_EVENT or size + len(text.encode()) > PER_EVENT_BYTES or len(days | {day}) > MOST_DAYS
        if part and full:
            yield _event(model, part, texts)
            part, texts, days, size = [], [], set(), 0
        part.append(label)
        texts.append(text)
        days.add(day)
        size += len(text.encode())
    if part:
        yield _event(model, part, texts)


def _event(model: str, part: Sequence[LabelItem], texts: Sequence[str]) -> LabelsReceived:
    latest = max(label.event_time for label in part)
    return LabelsReceived(id=stable_id(model, *texts), model=model, time=latest, labels=tuple(part))
