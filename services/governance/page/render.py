"""Templates and how they write times and numbers."""

import re
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
HERE = Path(__file__).parent


def when(moment: datetime | None) -> str:
    """A UTC time for people, to the minute."""
    return f"{moment:%d %b %Y %H:%M}".lstrip("0") if moment else ""


def number(value: float | None) -> str:
    """Four significant digits; a dash for none."""
    return "—" if value is None else f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def fact(value: object) -> str:
    """Any JSON value that is not a table."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    if isinstance(value, list):
        return "; ".join(map(fact, value)) or "none"
    return {True: "yes", False: "no", None: "—"}[value] if value is None or isinstance(value, bool) else str(value)


def short(name: str | None) -> str:
    """The first digits of a digest or id, enough for people to tell it by; any other name as it is."""
    return "—" if not name else name[:12] if _HEX.fullmatch(name) else name


def words(name: str) -> str:
    """A field's name as words."""
    return name.replace("_", " ")


_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(fact=fact, when=when, number=number, short=short, words=words)


def page(name: str, status_code: int = HTTPStatus.OK, **context: Any) -> HTMLResponse:
    """A template as an answer."""
    return HTMLResponse(_templates.get_template(name).render(**context), status_code)
