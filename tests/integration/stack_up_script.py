"""Runs `serve`, as `driftline up` does, with stand-ins for the services: `STATE READY_FILE`."""

import os
import signal
import sys
from pathlib import Path

from cli.serve import serve
from cli.stack import Plan, Service


async def _no_topics(_bootstrap: str) -> None:
    return


def main() -> None:
    """Serves until a signal."""
    state, ready_file = map(Path, sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGHUP):  # a job in the background is started deaf to them, and stays so
        signal.signal(number, signal.SIG_DFL)
    stand_in = (sys.executable, str(Path(__file__).with_name("stack_stand_in.py")))
    services = (Service("one", stand_in), Service("two", stand_in))
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP")
    serve(Plan(state, services, bootstrap=bootstrap, ready_file=ready_file, topics=_no_topics, keys=lambda _: None))


if __name__ == "__main__":
    main()
