"""The two ways in which input can be wrong. Every service translates them at its edge, and only there."""

from pydantic import ValidationError


class DriftlineError(Exception):
    """Root of what Driftline raises on purpose; its text is meant for the person who caused it."""


class InvalidInput(DriftlineError):
    """A request, file or definition breaks its contract.

    `field` names the part that is wrong (a path such as `features.2.min`); the text says what was expected.
    """

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}" if field else expected)
        self.field = field
        self.expected = expected


class Unreadable(DriftlineError):
    """A Kafka message that can't be understood; the text is the reason it gets in the dead-letters."""


def first_problem(error: ValidationError, whole: str) -> tuple[str, str]:
    """The path of the first field that is wrong (`whole` if it is no single one) and what was expected of it.

    Nothing of the input is in it but the names of unknown fields.
    """
    first = error.errors(include_input=False, include_url=False)[0]
    return ".".join(map(str, first["loc"])) or whole, first["msg"].removeprefix("Value error, ")
