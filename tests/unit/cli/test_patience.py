from pathlib import Path

import pytest

from cli.errors import UserError
from cli.process.child import Command
from cli.process.guard import Guard
from cli.process.keeper import Keeper
from cli.stack.patience import Patience


@pytest.fixture
def keeper() -> Keeper:
    guard = Guard()
    guard.close()
    return Keeper(Command("it", ("true",), Path("it.log")), guard, print)


def test_in_time_and_alive_is_no_reason_to_give_up(keeper: Keeper) -> None:
    keeper.deaths = 2
    Patience(keeper, until=10.0, clock=lambda: 9.9)("warming up")


def test_too_late_gives_the_last_reason(keeper: Keeper) -> None:
    with pytest.raises(UserError, match=r"^it is not ready in time: warming up \(log: it.log\)$"):
        Patience(keeper, until=10.0, clock=lambda: 10.1)("warming up")


def test_too_many_deaths_give_the_last_words_and_the_last_lines(keeper: Keeper) -> None:
    keeper.deaths, keeper.last_words, keeper.last_lines = 3, "exit code 1", ["a", "b" * 400]
    with pytest.raises(UserError) as failure:
        Patience(keeper, until=10.0, clock=lambda: 0.0)("no answer")
    assert str(failure.value).splitlines() == [
        "it cannot be started: exit code 1 (log: it.log)",
        "  a",
        "  " + "b" * 300,
    ]
