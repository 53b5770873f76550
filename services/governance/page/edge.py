"""Who looks at the page, what their requests must carry, and how the page says no."""

from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from structlog import get_logger

from services.governance.domain.errors import NotAllowed, Refused
from services.governance.page.render import page
from services.governance.store.database import DatabaseFails
from services.governance.store.desk import Desk
from shared.errors import InvalidInput
from shared.http.auth import identify, permits
from shared.tokens import Identity, RoleName

log = get_logger()
PREFIX = "/page"
READERS: tuple[RoleName, ...] = ("viewer", "operator", "approver", "auditor")


class LoginNeeded(Exception):
    """There is no cookie, or its token is not valid any more."""


async def _visitor(request: Request) -> Identity:
    try:
        who = identify(request)
    except HTTPException as error:
        raise LoginNeeded from error
    if not permits(who, READERS):
        raise NotAllowed("role", f"the page is for {', '.join(READERS)} and admin, not for {who.role}")
    return who


async def _from_this_page(request: Request) -> None:
    """A form on another site can't set this header, nor can a script there without being asked for leave."""
    if request.headers.get("hx-request") != "true":
        raise NotAllowed("HX-Request", "a change must come from the page itself")


def _desk(request: Request) -> Desk:
    return cast(Desk, request.app.state.desk)


Office = Annotated[Desk, Depends(_desk)]
Visitor = Annotated[Identity, Depends(_visitor)]
FromThisPage = Depends(_from_this_page)


def is_fragment(request: Request) -> bool:
    """Whether the page's script asks, for a part of the page."""
    return request.headers.get("hx-request") == "true"


def to_login(request: Request) -> Response:
    """Send the browser to the login, whoever in it asked."""
    if is_fragment(request):
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": f"{PREFIX}/login"})
    return RedirectResponse(f"{PREFIX}/login", HTTPStatus.SEE_OTHER)


def refusal(request: Request, status: int, why: str) -> Response:
    """A page, or a part of one, that says no."""
    if is_fragment(request):
        answer = page("problem.html", status, why=why)
        answer.headers.update({"HX-Retarget": "#said", "HX-Reselect": ".problem", "HX-Reswap": "innerHTML"})
        return answer
    return page("refusal.html", status, why=why, status=status)


def add_refusals(app: FastAPI) -> None:
    """What is wrong is said as HTML; the input is not repeated."""

    @app.exception_handler(LoginNeeded)
    async def login_needed(request: Request, _: LoginNeeded) -> Response:
        return to_login(request)

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return refusal(request, error.status, str(error))

    @app.exception_handler(DatabaseFails)
    async def database_fails(request: Request, error: DatabaseFails) -> Response:
        log.error("the database fails", why=str(error))
        return refusal(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    @app.exception_handler(InvalidInput)
    async def invalid(request: Request, error: InvalidInput) -> Response:
        return refusal(request, HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return refusal(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(StarletteHTTPException)
    async def http(request: Request, error: StarletteHTTPException) -> Response:
        return refusal(request, error.status_code, HTTPStatus(error.status_code).phrase)
