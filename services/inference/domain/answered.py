"""What is logged of requests that were answered."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.batch import Role
from shared.features import Float32, Rows


class Source(NamedTuple):
    """What answered: the rows of a message share it."""

    model: str
    digest: str
    definition_digest: str
    role: Role


@dataclass(frozen=True, slots=True)
class Answered:
    """The n rows of k requests that one model answered together, in order: what `shared.batch` says of each.

    Per request: `keys` its 16 bytes, `counts` its rows, `seen` how many of them were answered under this id before,
    `latency_us` from receipt to answer. Per row: `entity`, `event_time` datetime64[us], `rows`, `scores` [n, k], and
    where a shadow computed them `champion_scores` [n, k].
    """

    keys: list[bytes]
    counts: list[int]
    seen: list[int]
    latency_us: list[int]
    entity: list[str | None]
    event_time: NDArray[np.datetime64]
    rows: Rows
    scores: Float32
    champion_scores: Float32 | None = None

    def __len__(self) -> int:
        return len(self.scores)
