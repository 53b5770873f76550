"""Which requests were answered before: a memory of bounded size."""

from collections.abc import Iterable, Sequence


class RecentIds:
    """Remembers between half of `bound` and `bound` request keys, the latest ones."""

    def __init__(self, bound: int) -> None:
        self._half = max(1, bound // 2)
        self._new: dict[bytes, int] = {}
        self._old: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def seen(self, key: bytes, rows: int) -> int:
        """How many rows were answered under `key` before; from now on at least `rows` were."""
        before = self._new.get(key)
        if before is None:
            before = self._old.get(key, 0)
        self._new[key] = max(before, rows)
        if len(self._new) >= self._half:
            self._old, self._new = self._new, {}
        return before

    def seen_all(self, keys: Sequence[bytes], rows: Sequence[int]) -> list[int]:
        """As `seen` of each, in order."""
        is_new = self._new.keys().isdisjoint(keys) and self._old.keys().isdisjoint(keys)
        if not is_new or len(set(keys)) < len(keys) or len(self._new) + len(keys) >= self._half:
            return [self.seen(key, count) for key, count in zip(keys, rows, strict=True)]
        self._new.update(zip(keys, rows, strict=True))
        return [0] * len(keys)

    def forget(self, keys: Iterable[bytes]) -> None:
        """These were not answered after all."""
        for key in keys:
            self._new.pop(key, None)
            self._old.pop(key, None)

    def contains(self, key: bytes) -> bool:
        """Whether it is remembered."""
        return key in self._new or key in self._old
