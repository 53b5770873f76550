"""Whether a service answers that it is ready."""

import asyncio
import http.client
from collections.abc import Callable

_ASK_AGAIN = 0.1  # seconds
_PATIENCE = 2.0  # seconds for one answer


async def wait_until_ready(host: str, port: int, check: Callable[[str], None]) -> None:
    """Returns once `GET /ready` answers 200.

    Between the tries `check` is called with the reason why it is not ready; it raises to give up.
    """
    while reason := await asyncio.to_thread(_why_not, host, port):
        check(reason)
        await asyncio.sleep(_ASK_AGAIN)


def _why_not(host: str, port: int) -> str:
    """Empty if it is ready. Plain `http.client`: a full client takes half a second to load what HTTPS needs."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        text = answer.read(1000).decode(errors="replace").strip()[:200]
    except (OSError, http.client.HTTPException) as error:
        return f"no answer ({type(error).__name__})"
    finally:
        connection.close()
    return "" if answer.status == http.HTTPStatus.OK else f"{answer.status} {text}"
