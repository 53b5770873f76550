"""What is remembered of comparisons, in the form in which it is stored. Times are microseconds since 1970 UTC."""

import struct
import zlib
from base64 import b64decode, b64encode
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from services.drift_detection.domain.rollout.comparison import Sofar
from services.drift_detection.domain.rollout.evidence import Evidence
from shared.events.rollout import RolloutCompared

_COUNTS = struct.Struct("<qqq")
_NONE = -(2**62)


class _Stored(BaseModel):
    """A part of the state; an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class Running(_Stored):
    """A version beside a champion. `base` is what its panes before `until` say, which no row can change any more.

    Panes before `since` belong to an earlier comparison of the same two. Up to `looked` all ends of panes were looked
    at; `last` is what was said last, `open` by its end what was said and may still turn out otherwise. `losses` is what
    the labels of panes before `labelled` say, of which those before `told` were in the last word.
    """

    role: Literal["canary", "shadow"]
    digest: str
    champion: str
    since: int = _NONE
    until: int = _NONE
    looked: int = _NONE
    base: str = ""
    losses: str = ""
    labelled: int = _NONE
    told: int = _NONE
    last: RolloutCompared | None = None
    open: dict[int, RolloutCompared] = {}

    @property
    def name(self) -> str:
        """Which two these are."""
        return f"{self.role}/{self.digest}/{self.champion}"


class RolloutRecord(_Stored):
    """One model: what runs now, and up to where what has ended had come, by its name."""

    running: list[Running] = []
    ended: dict[str, int] = {}


def pack(sofar: Sofar) -> str:
    """As text."""
    counts = _COUNTS.pack(sofar.rows, sofar.champion_rows, _NONE if sofar.start is None else sofar.start)
    flat = np.concatenate([part.reshape(-1) for part in vars(sofar.evidence).values()])
    return b64encode(zlib.compress(counts + flat.astype("<f8").tobytes(), 1)).decode()


def unpack(text: str) -> Sofar:
    """The reverse; empty: nothing. Raises ValueError, zlib.error or struct.error if it is none."""
    nothing = Evidence.nothing()
    if not text:
        return Sofar(nothing)
    content = zlib.decompress(b64decode(text))
    rows, champion_rows, start = _COUNTS.unpack_from(content)
    flat = np.frombuffer(content[_COUNTS.size :], dtype="<f8").astype(np.float64)
    shapes = [part.shape for part in vars(nothing).values()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(flat) != ends[-1]:
        raise ValueError("evidence of a comparison: of another length")
    parts = zip(np.split(flat, ends[:-1]), shapes, strict=True)
    evidence = Evidence(*(part.reshape(shape) for part, shape in parts))
    return Sofar(evidence, rows, champion_rows, None if start == _NONE else start)
