"""What an installation needs before its first service: `python -m shared.bootstrap topics keys`.

Topics on the broker at KAFKA_BOOTSTRAP, keys and tokens in DRIFTLINE_STATE. What is there already stays as it is.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from shared.errors import first_problem
from shared.kafka.admin import TOPICS, ensure_topics
from shared.keys import make_keys
from shared.settings import ServiceSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what the arguments name; 0 when all of it is there, 1 with one line on stderr when not."""
    parser = argparse.ArgumentParser(prog="python -m shared.bootstrap", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=("topics", "keys"), help="what to make")
    parser.add_argument("--replication", type=int, default=1, help="replicas of each topic (default 1)")
    wanted = parser.parse_args(arguments)
    try:
        settings = ServiceSettings()
        if "topics" in wanted.parts:
            asyncio.run(ensure_topics(settings.kafka_bootstrap, TOPICS, wanted.replication))
        if "keys" in wanted.parts:
            make_keys(settings.state)
    except ValidationError as error:
        return _refuse("setting " + ": ".join(first_problem(error, "environment")))
    except (KafkaError, OSError) as error:
        return _refuse(str(error))
    return 0


def _refuse(why: str) -> int:
    print(f"bootstrap: {why}", file=sys.stderr)  # noqa: T201  # a command's own word
    return 1


if __name__ == "__main__":
    sys.exit(main())
