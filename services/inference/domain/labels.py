"""Labels as a client posts them, and the events that carry them."""

import re
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError

from shared.errors import InvalidInput, first_problem
from shared.events import LabelItem, LabelsReceived, stable_id

PER_EVENT = 1_000
PER_EVENT_BYTES = 700_000  # a Kafka message holds at most 1 MB

_ITEM = re.compile(r"^(\d+)")
_LABELS = TypeAdapter(list[LabelItem])


def read_labels(body: bytes) -> list[LabelItem]:
    """The labels in a JSON list.

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
    return labels


def events(model: str, labels: Sequence[LabelItem]) -> Iterator[LabelsReceived]:
    """The labels in their order, in events of at most 1,000 labels and 700 kB; the same labels give the same ids."""
    part: list[LabelItem] = []
    texts: list[str] = []
    size = 0
    for label in labels:
        text = label.model_dump_json()
        if part and (len(part) == PER_EVENT or size + len(text.encode()) > PER_EVENT_BYTES):
            yield _event(model, part, texts)
            part, texts, size = [], [], 0
        part.append(label)
        texts.append(text)
        size += len(text.encode())
    if part:
        yield _event(model, part, texts)


def _event(model: str, part: Sequence[LabelItem], texts: Sequence[str]) -> LabelsReceived:
    latest = max(label.event_time for label in part)
    return LabelsReceived(id=stable_id(model, *texts), model=model, time=latest, labels=tuple(part))
