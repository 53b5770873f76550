"""The page in a real browser, against the real service: look at the drift, approve as two people, see it serve."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from scripts.screenshot_page import find_chromium, log_in
from services.governance.settings import GovernanceSettings
from services.governance.store.desk import Desk, open_desk
from services.governance.store.registrar import Word
from services.governance.stream.intake import Intake
from tests.bundles import as_read
from tests.unit.governance.world import (
    evaluated,
    incident_opened,
    make_version,
    run_decided,
    said,
    token,
    window,
)

CHROMIUM = find_chromium()
expect.set_options(timeout=30_000)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH and none named by CHROMIUM")


@dataclass(frozen=True)
class Service:
    """A running governance with a champion that drifted and a challenger that waits."""

    url: str
    state: Path
    champion: str
    challenger: str

    def token(self, subject: str) -> str:
        return token(self.state, subject, "approver")


async def tell(desk: Desk, champion: str, challenger: str) -> None:
    """What the other services would have said on Kafka: 700 windows, an incident, a run, a challenger."""
    intake = Intake(desk)
    windows = [window(hour, psi=2.0 if hour >= 336 else 0.05, digest=champion) for hour in range(700)]
    events = [*windows, incident_opened(digest=champion), run_decided("wait"), run_decided("run")]
    for event in [*events, evaluated(challenger, champion)]:
        await intake.handle(as_read(said(desk.settings.state, event)))


def prepare(state: Path) -> tuple[str, str]:
    """Write the bundles and the database; digests of champion and challenger."""
    champion = make_version(state, seed=1)
    challenger = make_version(state, seed=2, signer="retrain_trigger", parent=champion)
    desk = open_desk(GovernanceSettings(state=state), lambda: datetime.now(UTC))
    desk.register(champion, "olive")
    approval, _ = desk.registrar.request("small", champion, "olive")
    for name in ("ada", "grace"):
        desk.registrar.decide(approval.approval_id, Word(name, "approver", champion, "approve", "the first model"))
    asyncio.run(tell(desk, champion, challenger))
    desk.database.close()
    return champion, challenger


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    state = tmp_path_factory.mktemp("governance")
    champion, challenger = prepare(state)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # No broker: the page works without one, and what it changes waits in the outbox.
    told = {"DRIFTLINE_STATE": str(state), "DRIFTLINE_PORT": str(port), "KAFKA_BOOTSTRAP": "127.0.0.1:9"}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.governance"], env=os.environ | told, stdout=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/live", process)
        yield Service(f"http://127.0.0.1:{port}", state, champion, challenger)
    finally:
        process.terminate()
        assert process.wait(timeout=20) == 0


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, timeout=2)
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer; exit code {process.poll()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that complains about nothing: no script error, nothing that its policy blocked."""
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield page
    page.close()
    assert complaints == []


def test_a_wrong_token_is_told_so(service: Service, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(service.url)
    page.get_by_label("Token").fill("not a token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#said")).to_contain_text("token is not valid")
    page.close()


def test_the_drift_is_plotted_and_a_chosen_window_compared_with_the_reference(service: Service, page: Page) -> None:
    log_in(page, service.url, service.token("ada"))
    page.get_by_role("link", name="small").click()
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.locator("#plot")).to_have_attribute("data-points", "504")  # the last 21 days of windows of an hour
    expect(page.locator("#plot-note")).to_contain_text("504 windows")
    expect(page.locator("#histogram h3")).to_contain_text("the window with the greatest value")
    expect(page.locator("#histogram rect.window")).to_have_count(3)
    page.locator("#plot .u-over").click(position={"x": 5, "y": 50})
    expect(page.locator("#histogram h3")).to_contain_text("9 Mar 2013")
    page.locator("select[name=stream]").select_option("score:score")
    expect(page.locator("#histogram h3")).to_contain_text("score")
    page.locator("select[name=statistic]").select_option("unseen_share")
    expect(page.locator("#plot-note")).to_have_text("This statistic has no value here.")


def test_what_was_typed_stays_while_the_page_refreshes_itself(service: Service, page: Page) -> None:
    log_in(page, service.url, service.token("linus"))
    page.goto(f"{service.url}/page/models/small")
    page.get_by_label("Your reason").fill("half a thou")
    with page.expect_response("**/page/models/small", timeout=15_000):
        pass
    page.wait_for_timeout(300)
    expect(page.get_by_label("Your reason")).to_have_value("half a thou")
    expect(page.locator("#plot canvas")).to_be_visible()


def test_a_refusal_is_told_and_leaves_the_page_as_it_is(service: Service, browser: Browser) -> None:
    page = browser.new_page()
    log_in(page, service.url, service.token("linus"))
    page.goto(f"{service.url}/page/models/small")
    page.get_by_label("Your reason").fill("for another digest")
    page.locator("input[name=digest]").evaluate("input => { input.value = 'f'.repeat(64); }")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#said .problem")).to_contain_text("the approval is for")
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.close()


def test_two_people_approve_in_the_browser_and_the_challenger_serves(
    service: Service, browser: Browser, page: Page
) -> None:
    log_in(page, service.url, service.token("ada"))
    page.goto(f"{service.url}/page/models/small")
    expect(page.locator("#revision")).to_have_text("1")
    approve(page, "better on the holdout")
    expect(page.locator(".approval .why")).to_contain_text("ada has decided already")

    other = browser.new_context().new_page()
    log_in(other, service.url, service.token("grace"))
    other.goto(f"{service.url}/page/models/small")
    expect(other.locator(".approval .vote")).to_contain_text("ada: better on the holdout")
    approve(other, "lineage looked at")
    for seen in (other, page):  # ada's page finds out by itself
        expect(seen.locator("#revision")).to_have_text("2", timeout=15_000)
        expect(seen.locator("#serving code").first).to_have_text(service.challenger[:12])
        expect(seen.get_by_role("button", name="Approve")).to_have_count(0)
    other.close()


def approve(page: Page, reason: str) -> None:
    page.get_by_label("Your reason").fill(reason)
    page.get_by_role("button", name="Approve").click()


def test_the_page_is_readable_on_a_phone(service: Service, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    log_in(page, service.url, service.token("ada"))
    page.goto(f"{service.url}/page/models/small")
    expect(page.locator("#plot canvas")).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, "nothing sticks out to the side"
    page.close()
