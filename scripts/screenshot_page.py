"""A picture of a running page: `python -m scripts.screenshot_page URL TOKEN OUT.png [--dark] [--phone]`.

URL is governance's address, or that of one page of it, such as http://127.0.0.1:8080/page/models/flight_delays.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, Page, sync_playwright

LAPTOP, PHONE = (1200, 900), (390, 844)


def find_chromium() -> str | None:
    """CHROMIUM, or the first chromium on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def log_in(page: Page, url: str, token: str) -> None:
    """Log in as a person would; raises playwright's Error if the token is not taken."""
    where = urlsplit(url)
    page.goto(f"{where.scheme}://{where.netloc}/page/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/page/")


def picture(url: str, token: str, out: Path, options: argparse.Namespace) -> None:
    """Save the whole page, with its plot and histogram if it has them, as a PNG of twice its size."""
    width, height = PHONE if options.phone else LAPTOP
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=2,
            color_scheme="dark" if options.dark else "light",
        )
        log_in(page, url, token)
        if urlsplit(url).path not in ("", "/"):
            page.goto(url)
        if page.locator("#plot-form").count():
            page.wait_for_selector("#plot[data-points]")
            page.wait_for_selector("#histogram svg")
        page.screenshot(path=out, full_page=True)
        browser.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("token", help="a token, or a file that holds one")
    parser.add_argument("out", type=Path)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--phone", action="store_true")
    options = parser.parse_args(arguments)
    token = Path(options.token).read_text() if options.token.endswith(".jwt") else options.token
    try:
        picture(options.url, token.strip(), options.out, options)
    except (Error, OSError) as error:
        print(f"screenshot_page: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
