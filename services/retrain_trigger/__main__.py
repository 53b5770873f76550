"""`python -m services.retrain_trigger`: the service; `train` makes a first champion from the feature log's rows."""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from services.retrain_trigger.api import build_app
from services.retrain_trigger.pipeline.job import Job, Places, Workspace
from services.retrain_trigger.pipeline.origin import code_commit
from services.retrain_trigger.settings import Settings
from services.retrain_trigger.store import Journal
from services.retrain_trigger.stream.consume import work
from services.retrain_trigger.stream.runner import SERVICE
from shared.arguments import path
from shared.cloudevents import encode
from shared.definition import parse_definition
from shared.errors import DriftlineError, InvalidInput, first_problem
from shared.http import Health, serve
from shared.logging import configure
from shared.signing import Signer


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with one line on stderr that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings(state=options.state) if options.state else Settings()
        return int(options.run(settings, options))
    except ValidationError as error:
        reason = "setting " + ": ".join(first_problem(error, "environment"))
    except (DriftlineError, OSError, sqlite3.Error) as error:
        reason = str(error)
    print(f"{SERVICE}: {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description=__doc__)
    parser.set_defaults(run=run_service, state=None)
    commands = parser.add_subparsers()
    first = commands.add_parser("train", help="train a first champion on the rows with start <= event time < end")
    first.add_argument("--definition", required=True, type=path, help="the model's model.toml")
    first.add_argument("--start", required=True, help="RFC 3339, such as 2013-01-01T05:00:00Z")
    first.add_argument("--end", required=True, help="RFC 3339; the last holdout_days before it are the holdout")
    first.add_argument("--state", type=path, help="state folder (default: DRIFTLINE_STATE)")
    first.set_defaults(run=train)
    return parser


def run_service(settings: Settings, _: argparse.Namespace) -> int:
    """Serve, consume and run until SIGTERM."""
    configure(SERVICE, settings.log_level)
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    health = Health()
    signer = Signer.load(settings.keys, SERVICE)
    journal = Journal(settings.journal, partial(encode, source=SERVICE, signer=signer))
    try:
        await serve(build_app(settings, journal, health), settings, work(settings, journal, health))
    finally:
        journal.close()


def train(settings: Settings, options: argparse.Namespace) -> int:
    """Train, measure on the holdout, write the bundle, signed by `operator`; its digest is in the last line."""
    from services.retrain_trigger.pipeline.steps import work as steps  # loads ONNX and its runtime

    settings.journal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="train-", dir=settings.journal.parent) as folder:
        space = Workspace(_first_job(settings, options, Path(folder)), {})
        for step, _ in steps(space):
            print(f"{step} done", file=sys.stderr)  # noqa: T201
    answer = {"digest": space.done["bundle"]["digest"], "metrics": space.done["evaluate"]["challenger"]}
    print(json.dumps(answer | {"labels_left_out": asdict(space.pinned.labels_left_out)}))  # noqa: T201
    return 0


def _first_job(settings: Settings, options: argparse.Namespace, folder: Path) -> Job:
    text = options.definition.read_text(encoding="utf-8")
    end = _moment("end", options.end)
    return Job(
        places=Places.of(settings, folder),
        definition=text,
        champion=None,
        start=_moment("start", options.start),
        end=end,
        as_of=end + parse_definition(text).label_delay,
        signer="operator",
        code_commit=code_commit(settings.code_commit),
    )


def _moment(field: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(field, "must be RFC 3339, such as 2013-01-01T05:00:00Z") from error
    if moment.tzinfo is None:
        raise InvalidInput(field, "must have a time zone, such as Z at its end")
    return moment.astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
