"""Login by pasting a token; the cookie holds that token and nothing else."""

import time
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Form, Request, Response

from services.governance.page.edge import PREFIX, FromThisPage, refusal
from services.governance.page.render import page
from shared.http.auth import COOKIE
from shared.tokens import BadToken, TokenVerifier

router = APIRouter()


@router.get("/login")
async def show_login() -> Response:
    """The form."""
    return page("login.html")


@router.post("/login", dependencies=[FromThisPage])
async def login(request: Request, token: Annotated[str, Form(max_length=4_096)] = "") -> Response:
    """Check the token and keep it in a cookie that no script can read and no other site sends along."""
    try:
        who = cast(TokenVerifier, request.app.state.tokens).verify(token.strip())
    except BadToken as error:
        return refusal(request, HTTPStatus.UNAUTHORIZED, str(error))
    answer = Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": f"{PREFIX}/"})
    answer.set_cookie(
        COOKIE,
        token.strip(),
        max_age=max(1, int(who.expires - time.time())),
        path=PREFIX,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/logout", dependencies=[FromThisPage])
async def logout() -> Response:
    """Forget the cookie."""
    answer = Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": f"{PREFIX}/login"})
    answer.delete_cookie(COOKIE, path=PREFIX, httponly=True, samesite="strict")
    return answer
