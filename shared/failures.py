"""Rows that got no answer since a version could not compute one: told beside the next rows of the model."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.subjects import GROUPS

_TIME = 62_135_596_800_000_000, 253_402_300_799_999_999  # microseconds from 1970 back to the year 1, and on to 9999
_MOST = 100_000_000  # rows told at once
Group = Annotated[int, Field(ge=0, lt=GROUPS)]
FailedRows = Annotated[int, Field(ge=1, le=_MOST)]


class Failed(BaseModel):
    """Failed rows of one (bundle digest, role), by group of their subject; `until` is the event time of the latest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: str = Field(pattern=r"^(champion|canary|shadow)$")
    until: int = Field(ge=-_TIME[0], le=_TIME[1])
    rows: Mapping[Group, FailedRows]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.rows.values())


_LIST = TypeAdapter(Annotated[tuple[Failed, ...], Field(max_length=64)])
_NOTHING = re.compile(rb"\s*\[\s*\]\s*")


def write_failures(failed: Sequence[Failed]) -> str:
    """As a message's metadata holds them."""
    return _LIST.dump_json(tuple(failed)).decode() if failed else "[]"


def read_failures(text: bytes) -> tuple[Failed, ...]:
    """The reverse; raises ValueError for what is none."""
    if _NOTHING.fullmatch(text):  # as nearly always
        return ()
    try:
        return _LIST.validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ValueError(f"metadata `failed`: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from error
