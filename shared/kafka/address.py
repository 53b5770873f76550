"""Where brokers are."""

import re

_ADDRESS = re.compile(r"(?:[\w.:%-]+|\[[\w.:%-]+\]):(\d{1,5})", re.ASCII)


def check_address(bootstrap: str) -> None:
    """Check comma-separated addresses of brokers, before a client makes of them what was not meant.

    Raises:
        ValueError: one of them is not `host:port`; the text says which.
    """
    for address in bootstrap.split(","):
        found = _ADDRESS.fullmatch(address.strip())
        if not found or not 1 <= int(found[1]) <= 65535:
            raise ValueError(f"{address.strip()!r} is not host:port")
