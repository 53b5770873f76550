"""Runs `serve`, as `driftline up` does, on an embedded broker with stand-ins: `STATE READY_FILE [BEHAVIOUR]`."""

import sys
from pathlib import Path

from cli.serve import serve
from cli.stack import Plan, Service


async def _no_topics(_bootstrap: str) -> None:
    return


def main() -> None:
    """Serves until a signal."""
    state, ready_file, *behaviour = sys.argv[1:]
    stand_in = (sys.executable, str(Path(__file__).with_name("stack_stand_in.py")), *behaviour)
    services = (Service("one", stand_in), Service("two", stand_in))
    serve(Plan(Path(state), services, ready_file=Path(ready_file), topics=_no_topics, keys=lambda _: None))


if __name__ == "__main__":
    main()
