"""How long to wait before a process that died is started again. Pure: no clock, no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Waits double from `first` up to `longest`; who lived for `steady` seconds starts afresh. All in seconds."""

    first: float = 0.5
    longest: float = 30.0
    steady: float = 60.0

    def count(self, deaths: int, lived: float) -> int:
        """Deaths in a row, this one included, of a process that had died `deaths` times and now lived `lived` s."""
        return 1 if lived >= self.steady else deaths + 1

    def delay(self, deaths: int) -> float:
        """Seconds to wait after that many deaths in a row; the first restart comes at once.

        Raises:
            ValueError: `deaths` is below 1.
        """
        if deaths < 1:
            raise ValueError(f"deaths must be at least 1, is {deaths}")
        if deaths == 1:
            return 0.0
        return min(self.longest, self.first * 2.0 ** min(deaths - 2, 32))
