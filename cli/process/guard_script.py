"""Runs as a process of its own, beside the supervisor; ends what the supervisor started when that is killed.

Standard input is a pipe that only the supervisor writes to: `+PID` for a process group started, `-PID` for one
that ended. At the pipe's end the files named as arguments, which say that all runs, are removed; the groups still
known get SIGTERM and, a few seconds later, SIGKILL. This works where PR_SET_PDEATHSIG does not exist, and reaches
the children of the children.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE = 8.0


def _send(groups: set[int], number: int) -> set[int]:
    """Those of the groups that still have a process; number 0 only asks."""
    alive = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            continue
        alive.add(group)
    return alive


def _read_groups() -> set[int]:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Reads until the supervisor has gone, then ends what it left."""
    groups = _read_groups()
    for name in sys.argv[1:] if groups else ():
        with contextlib.suppress(OSError):
            os.unlink(name)
    groups = _send(groups, signal.SIGTERM)
    until = time.monotonic() + _GRACE
    while groups and time.monotonic() < until:
        time.sleep(0.05)
        groups = _send(groups, 0)
    _send(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
