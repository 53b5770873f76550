"""The services as a client sees them: addresses, tokens, JSON."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp

from cli.errors import UserError
from shared.printed import plain

_TOKEN = re.compile(rb"[!-~]+")


class Api:
    """One HTTP session to a running stack. Tokens are named by role, or by person once they are issued.

    Raises UserError for a file that should hold one and does not.
    """

    def __init__(self, session: aiohttp.ClientSession, addresses: dict[str, str], state: Path) -> None:
        self._session = session
        self._addresses = addresses
        self._headers = {
            path.stem: {"Authorization": f"Bearer {_token(path)}"} for path in (state / "tokens").glob("*.jwt")
        }

    def know(self, name: str, token: str) -> None:
        """From now on `name` asks with this token."""
        self._headers[name] = {"Authorization": f"Bearer {token}"}

    async def get(self, service: str, path: str, who: str = "viewer") -> Any:
        """The JSON of a GET; raises UserError for any answer but 200 with JSON."""
        async with self._session.get(self._addresses[service] + path, headers=self._headers[who]) as answer:
            return await self._json(answer)

    async def post(self, service: str, path: str, body: object, who: str) -> Any:
        """The JSON of a POST; raises UserError for any answer but 2xx with JSON."""
        url = self._addresses[service] + path
        async with self._session.post(url, json=body, headers=self._headers[who]) as answer:
            return await self._json(answer)

    async def post_bytes(self, service: str, path: str, body: bytes, who: str) -> tuple[int, bytes]:
        """Status and body of a POST of ready-made JSON."""
        headers = self._headers[who] | {"Content-Type": "application/json"}
        async with self._session.post(self._addresses[service] + path, data=body, headers=headers) as answer:
            return answer.status, await answer.read()

    @staticmethod
    async def _json(answer: aiohttp.ClientResponse) -> Any:
        body = await answer.read()
        said = f"{answer.method} {answer.url.path}: {answer.status} {_line(body)}"
        if not answer.ok:
            raise UserError(said)
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise UserError(f"{said} (no JSON)") from error


def _token(path: Path) -> str:
    token = path.read_bytes().strip()
    if not _TOKEN.fullmatch(token):
        raise UserError(f"{path} holds no token")
    return token.decode()


def _line(body: bytes) -> str:
    """As much of it as one line shows."""
    return plain(" ".join(body[:1200].decode(errors="replace").split())[:300])
