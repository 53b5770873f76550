"""Sessions within a bound of memory: a hundred models may be deployed of which ten are busy.

Those that were not asked for longest are dropped, and opened again when they are asked for.
"""

import asyncio
import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any
from weakref import WeakSet

from prometheus_client import Counter, Gauge

from services.inference.models.session import open_session

UNLOADS = Counter("driftline_model_unloads_total", "Sessions dropped to keep within the bound of memory")
RELOADS = Counter("driftline_model_reloads_total", "Sessions opened again because they were asked for")
RESIDENT = Gauge("driftline_model_resident_bytes", "Memory of the sessions that are open, as their first runs took it")

# Bundle digest → its verified model file; raises what is wrong with the bundle.
Fetch = Callable[[str], bytes]


class Residency:
    """`bound` in bytes counts what first runs took; sessions in use stay, so it may be passed while many run at once.

    A session that is larger than the bound serves, alone. Models that nobody holds any more leave by themselves.
    """

    def __init__(self, bound: int, fetch: Fetch) -> None:
        self._bound = bound
        self.fetch = fetch
        self._all: WeakSet[Resident] = WeakSet()
        self._lock = Lock()

    def admit(self, digest: str, session: Any, size: int) -> "Resident":
        """A session that was opened for the first time; others may have to go."""
        resident = Resident(self, digest, session, size)
        self._all.add(resident)
        self.make_room(resident)
        return resident

    def make_room(self, newcomer: "Resident") -> None:
        """Drop sessions, the one longest not used first, until the newcomer's fits beside the others."""
        with self._lock:
            others = [each for each in self._all if each is not newcomer and each.is_open]
            total = newcomer.size + sum(each.size for each in others)
            for each in sorted(others, key=lambda other: other.used):
                if total <= self._bound:
                    break
                if each.drop():
                    UNLOADS.inc()
                    total -= each.size
            RESIDENT.set(total)


class Resident:
    """One model's session: `with resident as session` keeps it while it runs, and opens it again if it was dropped.

    `size` is its memory in bytes, `used` when it was last asked for, as `time.monotonic` tells it.
    """

    def __init__(self, residency: Residency, digest: str, session: Any, size: int) -> None:
        self.size = size
        self.used = time.monotonic()
        self._residency = residency
        self._digest = digest
        self._session = session
        self._users = 0
        self._guard = Lock()  # of the two above, held for moments
        self._opening = Lock()

    @property
    def is_open(self) -> bool:
        """Whether it can run at once."""
        return self._session is not None

    async def bring(self) -> None:
        """Open it again, if it was dropped, without holding up the event loop; raises as `open_again` does."""
        if not self.is_open:
            await asyncio.to_thread(self.open_again)

    def open_again(self) -> Any:
        """The session; whoever else asks meanwhile waits for the same.

        Raises:
            InvalidInput: the bundle is not in the store any more, or was tampered with.
        """
        with self._opening:
            session = self._session
            if session is None:  # the very bytes that were tried: the digest says so
                session = open_session(self._residency.fetch(self._digest))
                self.used = time.monotonic()
                self._session = session
                RELOADS.inc()
                self._residency.make_room(self)
            return session

    def drop(self) -> bool:
        """Let go of the session, unless it is in use; whether it went."""
        with self._guard:
            if self._users:
                return False
            self._session = None
            return True

    def __enter__(self) -> Any:
        with self._guard:
            self._users += 1
            session = self._session
        self.used = time.monotonic()
        if session is not None:
            return session
        try:
            return self.open_again()
        except BaseException:
            self._leave()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave()

    def _leave(self) -> None:
        with self._guard:
            self._users -= 1
