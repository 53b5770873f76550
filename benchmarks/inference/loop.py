"""The event loop and the kernel alone: `python -m benchmarks.inference.loop PORT` answers whatever comes at once.

It reads nothing of a request and gives the same answer to all, of the length that a prediction has: no server on this
event loop can answer more.
"""

import asyncio
import sys
from typing import Any

import uvloop

_BODY = b"x" * 280
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class Connection(asyncio.Protocol):
    """A client: each piece that comes is taken for a request."""

    def connection_made(self, transport: Any) -> None:
        """It is here."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """Answer."""
        self._transport.write(_ANSWER)


async def main(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
