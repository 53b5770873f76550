"""The page: server-rendered, for people to see what serves and why, and to approve what comes next."""

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from services.governance.page import drift, model, session
from services.governance.page.edge import PREFIX, add_refusals
from services.governance.page.guard import PageHeaders
from services.governance.page.render import HERE
from services.governance.store.desk import Desk


def mount_page(app: FastAPI, desk: Desk) -> None:
    """Put the page at `/` (by way of `/page/`). Its cookie counts there alone: the API takes bearer tokens only."""
    page = FastAPI(openapi_url=None, redirect_slashes=False)
    page.state.tokens = app.state.tokens
    page.state.cookies = True
    page.state.desk = desk
    for routes in (session, model, drift):
        page.include_router(routes.router)
    page.mount("/static", StaticFiles(directory=HERE / "static"))
    page.add_middleware(PageHeaders)
    add_refusals(page)
    app.mount(PREFIX, page)

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        return RedirectResponse(f"{PREFIX}/")
