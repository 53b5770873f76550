"""Archives of the broker's classes, loaded and linked, with which it starts in half the time (JEP 483, 514).

`python -m cli.kafka.archive` makes them from one start, which takes half a minute, and pays where a broker is started
often, as in tests. Without them, and where they do not fit, the JVM does without.
"""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from cli.errors import UserError
from cli.kafka.broker import choose_ports, prepare
from cli.kafka.jars import ensure_jars
from cli.kafka.java import BROKER, TOOL, archive_path, new
from cli.kafka.lockfile import read_lock
from cli.kafka.ready import wait_until_ready
from cli.process.child import Child

_PATIENCE = 120.0  # seconds to start, and to write the archive at the end


async def learn(state: Path) -> None:
    """Start a broker in an empty folder and end it; raises UserError and OSError as starting one does."""
    ports = choose_ports(state)
    command = await prepare(state, ports, print, learn=True)
    child = await Child.start(replace(command, grace=_PATIENCE))

    def check(reason: str) -> None:
        if child.code is not None:
            raise UserError(f"the broker ended: {reason}")

    try:
        async with asyncio.timeout(_PATIENCE):
            await wait_until_ready(ports.bootstrap, check)
    finally:
        await child.stop()


def main() -> None:
    """Makes what is missing, and says so where it can't: nothing depends on it."""
    jars = ensure_jars(read_lock())
    archives = [archive_path(jars, program) for program in (TOOL, BROKER)]
    if all(archive.exists() for archive in archives):
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(learn(Path(folder)))
        for archive in archives:
            new(archive).rename(archive)
    except (UserError, OSError, TimeoutError) as error:
        print(f"no archive of the broker's classes: {error or type(error).__name__}")  # noqa: T201  # a script's word


if __name__ == "__main__":
    main()
