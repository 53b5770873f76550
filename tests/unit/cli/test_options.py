"""No option or argument may be empty."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.__main__ import app


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The words that call each command, and the command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


OPTIONS = [
    (*words, option.opts[0])
    for words, command in commands(typer.main.get_command(app))
    for option in command.params
    if option.opts[0].startswith("--") and not option.is_flag and option.name not in {"help", "keep"}
]


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_an_empty_option_is_refused_and_named(words: tuple[str, ...]) -> None:
    failed = CliRunner().invoke(app, [*words, ""])
    assert failed.exit_code == 2
    assert f"Invalid value for '{words[-1]}'" in failed.output
    assert "empty" in failed.output


def test_an_empty_argument_is_refused_and_named() -> None:
    for words in (["explain"], ["forget"], ["dlq", "replay", "1"], ["log", "query"]):
        failed = CliRunner().invoke(app, [*words, ""])
        assert (failed.exit_code, "it is empty" in failed.output) == (2, True)


def test_a_variable_of_the_environment_that_is_empty_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_FEATURE_LOGGING_URL", "")
    asked = CliRunner().invoke(app, ["forget", "ann", "--state", "/nowhere", "--yes"])
    assert "/nowhere/ready.json is not there" in str(asked.exception)
