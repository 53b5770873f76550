"""Whether a service answers that it is ready."""

import asyncio
from collections.abc import Callable

import httpx

_ASK_AGAIN = 0.1  # seconds


async def wait_until_ready(address: str, check: Callable[[str], None]) -> None:
    """Returns once `GET <address>/ready` answers 200.

    Between the tries `check` is called with the reason why it is not ready; it raises to give up.
    """
    async with httpx.AsyncClient(base_url=address, timeout=2.0, trust_env=False) as client:
        while reason := await _why_not(client):
            check(reason)
            await asyncio.sleep(_ASK_AGAIN)


async def _why_not(client: httpx.AsyncClient) -> str:
    """Empty if it is ready."""
    try:
        answer = await client.get("/ready")
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return "" if answer.status_code == httpx.codes.OK else f"{answer.status_code} {answer.text.strip()[:200]}"
