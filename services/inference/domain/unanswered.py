"""Rows that a version could not compute, until they are told."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from services.inference.domain.answered import Source
from services.inference.domain.asked import Asked
from shared.failures import Failed
from shared.subjects import group


@dataclass
class _Count:
    until: int
    rows: Counter[int] = field(default_factory=Counter)


class Unanswered:
    """Counts by version: they take no more room however many rows fail."""

    def __init__(self) -> None:
        self._of: dict[str, dict[tuple[str, str], _Count]] = {}

    def add(self, source: Source, asked: Asked) -> None:
        """Take in the rows of a request, each by its entity, or by the request's 16 bytes if it has none."""
        latest = int(np.max(asked.event_time).astype("datetime64[us]").astype(np.int64))
        count = self._of.setdefault(source.model, {}).setdefault((source.digest, source.role), _Count(latest))
        count.until = max(count.until, latest)
        about = asked.entity if isinstance(asked.entity, list) else [asked.entity] * asked.rows
        count.rows.update(group(asked.key if entity is None else entity) for entity in about)

    def taken(self, model: str) -> tuple[Failed, ...]:
        """What was added of a model since this was asked before."""
        if model not in self._of:  # as nearly always
            return ()
        return tuple(
            Failed(digest=digest, role=role, until=count.until, rows=dict(count.rows))
            for (digest, role), count in self._of.pop(model).items()
        )
