"""The ways in which governance says no, with the status that HTTP has for each."""

from http import HTTPStatus
from typing import ClassVar

from shared.errors import DriftlineError


class Refused(DriftlineError):
    """A rule forbids it; `field` names the part of the request, the text says which rule."""

    status: ClassVar[HTTPStatus] = HTTPStatus.CONFLICT

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field = field
        self.expected = expected


class NotFound(Refused):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(Refused):
    """It contradicts the present state."""


class NotAllowed(Refused):
    """This person may not do it, whatever the state."""

    status = HTTPStatus.FORBIDDEN
