"""Tokens and errors of a call: the same roles and the same words as REST, in the metadata and statuses of gRPC."""

from collections.abc import Iterable
from http import HTTPStatus

from grpc import StatusCode

from services.inference.api.failures import MOST, failure
from shared.errors import DriftlineError
from shared.http.auth import permits
from shared.tokens import BadToken, RoleName, TokenVerifier, bearer

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
    if isinstance(error, Refused):
        return error.status, str(error)[:MOST]
    told = failure(error)
    return _STATUSES[told.status], told.text


_STATUSES: dict[int, StatusCode] = {
    HTTPStatus.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
    HTTPStatus.NOT_FOUND: StatusCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.INTERNAL_SERVER_ERROR: StatusCode.INTERNAL,
    HTTPStatus.SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
}
_LIKE = {StatusCode.OK: 200, StatusCode.INTERNAL: 500, StatusCode.UNKNOWN: 500, StatusCode.UNAVAILABLE: 503}


def http_like(status: StatusCode) -> int:
    """The status of HTTP that says the same, as far as who is at fault."""
    return _LIKE.get(status, 400)
