"""A request understood, whichever reader read it."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.inference.domain.context import entities, event_times
from services.inference.domain.encoder import Columns, Encoded, Encoder
from services.inference.domain.request import InferRequest
from services.inference.domain.tensor import Tensor
from services.inference.domain.uuid7 import NewIds
from shared.batch import request_key

_NEW_IDS = NewIds()
# Of the block `features`, row by row: numbers of JSON, FP32 as bytes in little endian, or numbers in a buffer.
Numbers = list[float] | memoryview | NDArray[np.float64]


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request: `key` is its 16 bytes, `id` what they are written as; `outputs` the names asked for, None for all.

    `values` are encoded, or still the numbers of the block `features`. `event_time` is one for all rows, in
    microseconds since 1970, or datetime64[us] [rows]; so is `entity`. `special` is the request if its answer is more
    than all outputs in JSON, or, with `binary`, all of them as bytes. `inputs` are what `values` are encoded from.
    """

    key: bytes
    id: str
    rows: int
    values: Numbers | Encoded
    event_time: int | NDArray[np.datetime64]
    entity: str | list[str | None] | None
    binary: bool = False
    outputs: tuple[str, ...] | None = None
    special: InferRequest | None = None
    inputs: Mapping[str, Tensor] | Columns | None = None

    @property
    def subject(self) -> str | bytes:
        """What the request is routed by: its first row's entity, or its key if that has none."""
        first = self.entity[0] if isinstance(self.entity, list) else self.entity
        return self.key if first is None else first

    def read_by(self, encoder: Encoder) -> "Asked":
        """The same request, encoded by another version of the model; raises InvalidInput as `Encoder.encode` does."""
        if self.inputs is None:
            return self
        if isinstance(self.inputs, Columns):
            encoded = encoder.encode_columns(self.inputs)
        else:
            encoded = encoder.encode(self.inputs)
        return msgspec.structs.replace(self, values=encoded)


def from_request(model: str, request: InferRequest, encoder: Encoder, now_us: int) -> Asked:
    """What the careful reader read; raises InvalidInput for what does not fit the model."""
    encoded = encoder.encode(request.inputs)
    rows = len(encoded.rows)
    times = event_times(request.event_time, rows, now_us)
    key, text = identity(model, request.id, int(times[0].astype(np.int64)))
    special = request if request.is_special else None
    about = entities(request.entity, rows)
    return Asked(
        key, text, rows, encoded, times, about, outputs=request.outputs, special=special, inputs=request.inputs
    )


def identity(model: str, told: str | None, time_us: int) -> tuple[bytes, str]:
    """The request's 16 bytes and its id: as it was sent, or a new UUIDv7 of the first row's event time."""
    if told is not None:
        return request_key(model, told), told
    return _NEW_IDS.next(time_us // 1_000)
