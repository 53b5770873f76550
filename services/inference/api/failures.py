"""What a caller is told when a request can't be answered: the same words over REST, gRPC and the topic."""

from http import HTTPStatus
from typing import NamedTuple

from structlog import get_logger

from services.inference.api.bodies import TooLarge
from services.inference.api.large import Overloaded
from services.inference.models.catalogue import NotReady, NotServed
from services.inference.models.loaded import ModelFailed
from services.inference.store.accounting import NotLogged
from services.inference.store.labels import LabelsNotTaken
from shared.errors import InvalidInput

log = get_logger()

MOST = 300  # characters of what is told: names that a client chose may stand in it


class Failure(NamedTuple):
    """`status` as HTTP has it; `retry_after` in seconds, if it may be well then."""

    status: int
    field: str
    expected: str
    retry_after: int | None = None

    @property
    def text(self) -> str:
        """One string, no longer than `MOST`."""
        return (f"{self.field}: {self.expected}" if self.field else self.expected)[:MOST]


# What is told beside the error's own text: status, field, and when it may be well.
_TOLD: dict[type[Exception], tuple[HTTPStatus, str, int | None]] = {
    NotServed: (HTTPStatus.NOT_FOUND, "model", None),
    NotReady: (HTTPStatus.SERVICE_UNAVAILABLE, "model", 10),
    LabelsNotTaken: (HTTPStatus.SERVICE_UNAVAILABLE, "labels", 2),
    NotLogged: (HTTPStatus.SERVICE_UNAVAILABLE, "", 2),
    Overloaded: (HTTPStatus.SERVICE_UNAVAILABLE, "", 1),
}
EXPECTED: tuple[type[Exception], ...] = (InvalidInput, ModelFailed, *_TOLD)


def failure(error: Exception) -> Failure:
    """What is told of an error; what is our fault is logged."""
    if isinstance(error, InvalidInput):
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if isinstance(error, TooLarge) else HTTPStatus.BAD_REQUEST
        return Failure(status, error.field, error.expected)
    if isinstance(error, ModelFailed):
        log.error("model failed", why=str(error))
        return Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "model", "the model could not compute an answer")
    if type(error) in _TOLD:
        status, field, retry_after = _TOLD[type(error)]
        return Failure(status, field, str(error), retry_after)
    log.error("request failed", error=repr(error), exc_info=error)
    return broken(error)


def broken(error: Exception) -> Failure:
    """What is told of an error that nobody expected."""
    return Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "", f"the service failed: {type(error).__name__}")
