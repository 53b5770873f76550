"""When to give up on something that does not become ready. The clock is a parameter."""

from collections.abc import Callable
from dataclasses import dataclass

from cli.errors import UserError
from cli.process.keeper import Keeper

DEATHS_AT_START = 3


@dataclass(frozen=True)
class Patience:
    """Called with the reason why a process is not ready; raises once it takes too long or dies too often.

    `clock` tells seconds, `until` is on that clock; `most` deaths in a row are too many.
    """

    keeper: Keeper
    until: float
    clock: Callable[[], float]
    most: int = DEATHS_AT_START

    def __call__(self, reason: str) -> None:
        """Raises:
        UserError: it is time to give up.
        """
        name = self.keeper.command.name
        if self.keeper.deaths >= self.most:
            raise UserError(
                self._with_log(f"{name} cannot be started: {self.keeper.last_words}", self.keeper.last_lines)
            )
        if self.clock() > self.until:
            raise UserError(self._with_log(f"{name} is not ready in time: {reason}", self.keeper.log_tail()))

    def _with_log(self, what: str, lines: list[str]) -> str:
        log = f" (log: {self.keeper.command.log})"
        return what + log + "".join(f"\n  {line[:300]}" for line in lines)
