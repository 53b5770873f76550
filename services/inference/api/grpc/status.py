"""Tokens and errors of a call: the same roles and the same words as REST, in the metadata and statuses of gRPC."""

from collections.abc import Iterable

from grpc import StatusCode
from structlog import get_logger

from services.inference.models.catalogue import NotReady, NotServed
from services.inference.models.loaded import ModelFailed
from services.inference.store.accounting import NotLogged
from shared.errors import DriftlineError, InvalidInput
from shared.http.auth import permits
from shared.tokens import BadToken, RoleName, TokenVerifier, bearer

log = get_logger()

_MOST = 300  # characters: names that a client chose may stand in it
_TOKEN = "authorization"  # noqa: S105  # the name of the metadata


class Refused(DriftlineError):
    """The caller may not: `status` says whether for want of a token or of a role."""

    def __init__(self, status: StatusCode, expected: str) -> None:
        super().__init__(f"{_TOKEN}: {expected}")
        self.status = status


def authorise(
    metadata: Iterable[tuple[str, str | bytes]], roles: tuple[RoleName, ...], verifier: TokenVerifier
) -> None:
    """Returns if the token in a call's metadata has one of `roles`, or if there are none; else raises Refused."""
    if not roles:
        return
    given = next((value for name, value in metadata if name == _TOKEN and isinstance(value, str)), "")
    token = bearer(given)
    if not token:
        raise Refused(StatusCode.UNAUTHENTICATED, "metadata `authorization: Bearer <token>` is needed")
    try:
        who = verifier.verify(token)
    except BadToken as error:
        raise Refused(StatusCode.UNAUTHENTICATED, str(error)) from error
    if not permits(who, roles):
        raise Refused(StatusCode.PERMISSION_DENIED, f"role {' or '.join(roles)}, not {who.role}")


def explained(error: Exception) -> tuple[StatusCode, str]:
    """The status of a failed call and its message, `field: expected`; what is our fault is logged."""
    status, text = _explained(error)
    return status, text[:_MOST]


_LIKE = {StatusCode.INTERNAL: 500, StatusCode.UNKNOWN: 500, StatusCode.UNAVAILABLE: 503}


def http_like(status: StatusCode) -> int:
    """The status of HTTP that says the same, as far as who is at fault."""
    return _LIKE.get(status, 400)


def _explained(error: Exception) -> tuple[StatusCode, str]:
    match error:
        case Refused():
            return error.status, str(error)
        case InvalidInput():
            return StatusCode.INVALID_ARGUMENT, str(error)
        case NotServed() | NotReady():
            status = StatusCode.NOT_FOUND if isinstance(error, NotServed) else StatusCode.UNAVAILABLE
            return status, f"model: {error}"
        case NotLogged():
            return StatusCode.UNAVAILABLE, str(error)
        case ModelFailed():
            log.error("model failed", why=str(error))
            return StatusCode.INTERNAL, "model: the model could not compute an answer"
    log.error("call failed", error=repr(error), exc_info=error)
    return StatusCode.INTERNAL, f"the service failed: {type(error).__name__}"
