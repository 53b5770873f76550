"""Which requests were answered before: a memory of bounded size."""


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

    def contains(self, key: bytes) -> bool:
        """Whether it is remembered."""
        return key in self._new or key in self._old
