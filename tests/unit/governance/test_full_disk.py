"""A disk that runs full under the database: said in words, and nothing is half done."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import Pool

from services.governance.store import approvals
from services.governance.store.desk import Desk
from tests.unit.governance.conftest import Bundles
from tests.unit.governance.world import bearer, token

FULL = "the database can't be written: database or disk is full"
ADA = {"subject": "ada", "role": "approver", "hours": 1}


@contextmanager
def full_disk(desk: Desk) -> Iterator[None]:
    """The database's file may not grow: SQLite says the same as on a full disk, once its last page is full."""

    def no_more_pages(connection: object, _: object) -> None:
        connection.execute("PRAGMA max_page_count=1")  # type: ignore[attr-defined]

    event.listen(Pool, "connect", no_more_pages)
    desk.database.close()  # connections from here on
    try:
        yield
    finally:
        event.remove(Pool, "connect", no_more_pages)


async def until_full(client: httpx.AsyncClient, bundles: Bundles) -> tuple[httpx.Response, int]:
    """The first answer that is no token, and how many tokens there were."""
    for issued in range(200):
        answer = await client.post("/v1/tokens", json=ADA, headers=bearer(bundles.state, "root", "admin"))
        if answer.status_code != 201:
            return answer, issued
    raise AssertionError("it never was full")


async def test_a_full_disk_is_503_in_words_and_reading_goes_on(
    client: httpx.AsyncClient, desk: Desk, bundles: Bundles
) -> None:
    with full_disk(desk):
        answer, issued = await until_full(client, bundles)
        audit = await client.get("/v1/audit?limit=1000", headers=bearer(bundles.state, "audrey", "auditor"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.json() == {"error": {"field": "database", "expected": FULL}}
    assert (audit.status_code, len(audit.json())) == (200, issued)


async def test_the_page_says_it_too(client: httpx.AsyncClient, desk: Desk, bundles: Bundles) -> None:
    desk.register(bundles.champion, "olive")
    approval, _ = desk.registrar.request("small", bundles.champion, "olive")
    cookie = {"Cookie": f"driftline_token={token(bundles.state, 'ada', 'approver')}", "HX-Request": "true"}
    form = {"digest": bundles.champion, "decision": "approve", "reason": "looked at it"}
    with full_disk(desk):
        await until_full(client, bundles)
        answer = await client.post(f"/page/approvals/{approval.approval_id}/decision", data=form, headers=cookie)
    assert (answer.status_code, "database or disk is full" in answer.text) == (503, True)
    with desk.database.read() as connection:
        assert approvals.known_approval(connection, approval.approval_id, desk.clock()).votes == ()


def test_an_error_of_ours_is_not_called_the_databases(desk: Desk) -> None:
    with pytest.raises(OperationalError, match="no such table"), desk.database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM nowhere")
