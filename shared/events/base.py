"""What every event has, and the ids that make a repeat recognisable."""

import hashlib
import re
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from shared.definition import NAME


def _rfc3339(value: object) -> datetime:
    # pydantic would also read a number, or digits in a string, as seconds since 1970
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        return datetime.fromisoformat(value)
    raise ValueError("must be a time as RFC 3339, such as 2013-03-15T16:00:00Z")


def _utc(value: datetime) -> datetime:
    if value.utcoffset():
        raise ValueError("must be in UTC")
    return value


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
UtcTime = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    AfterValidator(_utc),
    Field(json_schema_extra={"pattern": r"(Z|[+-]00:00)$"}),
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
ModelName = Annotated[str, Field(pattern=NAME)]
EventId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def stable_id(*parts: object) -> str:
    """32 hex digits that depend on the parts alone: the same cause gives the same id."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


class Record(BaseModel):
    """A frozen part of an event; an unknown field is an error, and so is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Event(Record, frozen=True):  # pyright: ignore[reportGeneralTypeIssues]  # pyright does not read model_config
    """A CloudEvent's data. `id` is deterministic, `time` is event time, never a clock's; `type` is the class's name.

    `keyed`: the message's key is the model's name, so that a model's events keep their order; else it has none.
    """

    topic: ClassVar[str]
    keyed: ClassVar[bool] = True

    id: EventId
    type: str
    time: UtcTime
    model: ModelName
