"""Which rows of a model's windows were told to its side: labels are spoken of once the rows that they are for are."""

from collections.abc import Mapping

from services.drift_detection.domain.source.parts import Partial, WindowKey
from services.drift_detection.domain.source.words import HeadWord
from services.drift_detection.domain.watch import ModelWatch
from services.drift_detection.domain.watched import Watched
from shared.reference.panes import DAY, MICROSECONDS


class KnownRows:
    """Of one model, from the last word of each source partition and the parts of the windows under way."""

    def __init__(
        self, watch: ModelWatch, heads: Mapping[int, HeadWord], parts: Mapping[WindowKey, Mapping[int, Partial]]
    ) -> None:
        self._watch = watch
        self._heads = heads
        self._parts = parts

    def told(self, key: WindowKey, watched: Watched, rows: Mapping[int, int]) -> bool:
        """Whether all rows of a window up to these offsets, by partition, were told, as far as they count in it.

        Rows are waited for until the model's clock is a day beyond the window: an offset may be wrong.
        """
        end, clock = key.start + watched.pane, self._watch.watermark
        if self._watch.is_final(key) or (clock is not None and clock >= end + watched.lateness + DAY * MICROSECONDS):
            return True
        return all(self._has(key, number, offset, end) for number, offset in rows.items())

    def _has(self, key: WindowKey, number: int, offset: int, end: int) -> bool:
        part = self._parts.get(key, {}).get(number)
        if part is not None and part.offset >= offset:
            return True
        head = self._heads.get(number)
        if head is None or head.offset < offset:
            return False
        return head.at_end or head.clocks.get(self._watch.model, end - 1) >= end  # see HeadWord

    def count(self, key: WindowKey) -> int | None:
        """How many rows a window has; None where its parts are gone, or were never told."""
        parts = self._parts.get(key)
        return None if parts is None else sum(part.sketch.rows for part in parts.values())
