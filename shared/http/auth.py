"""Who asks, and whether they may: a bearer token in the header, or in a page's cookie."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from shared.http.query import refuse_unknown
from shared.tokens import BadToken, Identity, RoleName, TokenVerifier, bearer

COOKIE = "driftline_token"
_bearer = HTTPBearer(auto_error=False, description="A token issued by governance")


def _unauthorised(reason: str) -> HTTPException:
    return HTTPException(
        HTTPStatus.UNAUTHORIZED, {"field": "Authorization", "expected": reason}, {"WWW-Authenticate": "Bearer"}
    )


def _token(request: Request) -> str:
    header = request.headers.get("authorization", "")
    if token := bearer(header):
        return token
    if not header and request.app.state.cookies and COOKIE in request.cookies:
        return request.cookies[COOKIE]
    raise _unauthorised("a header `Authorization: Bearer <token>` is needed")


def identify(request: Request) -> Identity:
    """Whom the request's token speaks for; raises HTTPException 401."""
    verifier = cast(TokenVerifier, request.app.state.tokens)
    try:
        return verifier.verify(_token(request))
    except BadToken as error:
        raise _unauthorised(str(error)) from error


def permits(identity: Identity, roles: tuple[RoleName, ...]) -> bool:
    """One of `roles`, or admin; but no admin approves in the place of an approver."""
    return identity.role in roles or (identity.role == "admin" and roles != ("approver",))


def require(*roles: RoleName) -> Callable[..., Coroutine[Any, Any, Identity]]:
    """A FastAPI dependency that gives the Identity: 401 without a good token, 403 for another role.

    All routes but the open ones have it, so it also refuses query parameters that the route does not take.
    """

    async def identity(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Identity:
        who = identify(request)
        if not permits(who, roles):
            needed = " or ".join(roles)
            raise HTTPException(
                HTTPStatus.FORBIDDEN, {"field": "Authorization", "expected": f"role {needed}, not {who.role}"}
            )
        refuse_unknown(request)
        return who

    return identity
