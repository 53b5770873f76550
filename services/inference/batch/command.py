"""`python -m services.inference score` and `schedule`."""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from services.inference.batch.job import Job, run_job
from services.inference.batch.progress import shown
from services.inference.batch.scorer import Scorer
from services.inference.models.loaded import load
from services.inference.models.session import bound_arena
from services.inference.models.trial import Limits
from services.inference.settings import InferenceSettings
from services.inference.store.champions import Champions
from shared.arguments import path
from shared.bundle import open_bundle
from shared.errors import DriftlineError, InvalidInput, first_problem

_DIGEST = re.compile(r"[0-9a-f]{64}")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0, 1 with one line on stderr that says what is wrong, or 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        settings = InferenceSettings(state=options.state) if options.state else InferenceSettings()
        options.run(settings, options)
    except ValidationError as error:
        return _failed("setting " + ": ".join(first_problem(error, "environment")))
    except (DriftlineError, OSError) as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        _failed("stopped; the same command goes on from here")
        return 130
    return 0


def _failed(reason: str) -> int:
    print(f"inference: {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.inference", description="Without a command: serve.")
    commands = parser.add_subparsers(required=True)
    score = commands.add_parser("score", help="score a table on disk into another one; goes on where it was stopped")
    score.add_argument("--model", required=True, help="a bundle's digest, or the name of a model: its champion")
    score.add_argument("--input", required=True, type=path, help="file or folder: .parquet, .csv, or a Delta table")
    score.add_argument("--output", required=True, type=path, help="a .parquet file, or a folder")
    score.add_argument("--format", choices=("parquet", "delta"), default="parquet", help="of a folder that is new")
    score.add_argument("--keep", help="the input's columns to write beside the scores, with commas (default: all)")
    score.set_defaults(run=_score)
    schedule = commands.add_parser("schedule", help="score when the deployed models' [serving.batch] say")
    schedule.set_defaults(run=_schedule)
    for command in (score, schedule):
        command.add_argument("--state", type=path, help="state folder (default: DRIFTLINE_STATE)")
    return parser


def _score(settings: InferenceSettings, options: argparse.Namespace) -> None:
    keep = None if options.keep is None else tuple(filter(None, options.keep.split(",")))
    scorer = _open(settings, options.model)
    with shown(sys.stderr) as progress:
        done = run_job(scorer, Job(options.input, options.output, keep, options.format == "delta"), progress)
    before = f", {done.found} were there already" if done.found else ""
    print(f"{done.scored} rows scored{before}: {options.output}")  # noqa: T201  # a command's answer


def _open(settings: InferenceSettings, model: str) -> Scorer:
    digest = model if _DIGEST.fullmatch(model) else asyncio.run(_champion(settings, model))
    bound_arena(settings.arena_bytes)
    limits = Limits(settings.load_seconds, settings.load_bytes, settings.arena_bytes)
    return Scorer(load(open_bundle(settings.bundles, digest, settings.trust), limits))


async def _champion(settings: InferenceSettings, model: str) -> str:
    champions = Champions(settings)
    if not await champions.caught_up():
        raise InvalidInput("model", "a bundle's digest, for Kafka does not say now what serves under a name")
    return champions.digest(model)


def _schedule(settings: InferenceSettings, _: argparse.Namespace) -> None:
    from services.inference.batch.schedule import follow_schedules

    asyncio.run(follow_schedules(settings))
