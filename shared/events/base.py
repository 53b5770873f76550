"""What every event has, and the ids that make a repeat recognisable."""

import hashlib
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from shared.definition import NAME


def _utc(value: datetime) -> datetime:
    if value.utcoffset():
        raise ValueError("must be in UTC")
    return value


UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
ModelName = Annotated[str, Field(pattern=NAME)]
EventId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def stable_id(*parts: object) -> str:
    """32 hex digits that depend on the parts alone: the same cause gives the same id."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


class Record(BaseModel):
    """A frozen part of an event; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Record):
    """A CloudEvent's data. `id` is deterministic, `time` is event time, never a clock's; `type` is the class's name."""

    topic: ClassVar[str]

    id: EventId
    type: str
    time: UtcTime
    model: ModelName
