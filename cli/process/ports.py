"""Which process listens on which port of 127.0.0.1."""

import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

from cli.errors import UserError

HOST = "127.0.0.1"

# Below the ports that systems hand to outgoing connections (from 32768 on Linux, 49152 elsewhere): a port
# chosen there could be taken by one of our own clients before its server listens.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a port in TIME_WAIT is free
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def candidates() -> Iterator[int]:
    """Ports to try, in random order, so that stacks started at the same time seldom meet."""
    yield from random.sample(range(_FIRST, _LAST), _LAST - _FIRST)


def plan_ports(
    names: Sequence[str],
    given: Mapping[str, int],
    tries: Iterator[int],
    free: Callable[[int], bool] = is_free,
) -> dict[str, int]:
    """A port for every name: the given one, else the next free one of `tries`.

    Raises:
        UserError: a given name is unknown, a given port is out of range, given twice or busy, or none is free.
    """
    _check_given(names, given, free)
    taken = set(given.values())
    return {name: given[name] if name in given else _next_free(tries, taken, free) for name in names}


def _check_given(names: Sequence[str], given: Mapping[str, int], free: Callable[[int], bool]) -> None:
    owners: dict[int, str] = {}
    for name, port in given.items():
        if name not in names:
            raise UserError(f"port for {name}: there is no such service; there are {', '.join(names)}")
        if not 1 <= port <= 65535:
            raise UserError(f"port for {name}: {port} is not between 1 and 65535")
        if port in owners:
            raise UserError(f"port for {name}: {port} is already given to {owners[port]}")
        if not free(port):
            raise UserError(f"port for {name}: {port} is busy or may not be used")
        owners[port] = name


def _next_free(tries: Iterator[int], taken: set[int], free: Callable[[int], bool]) -> int:
    for port in tries:
        if port not in taken and free(port):
            taken.add(port)
            return port
    raise UserError(f"no free port between {_FIRST} and {_LAST}")
