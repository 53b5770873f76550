"""`python -m services.feature_logging`: the service; with a command (see --help) one answer about the tables."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from deltalake.exceptions import DeltaError
from pydantic import ValidationError

from services.feature_logging.api import build_app
from services.feature_logging.commands.query import add_query
from services.feature_logging.commands.snapshot import add_snapshot
from services.feature_logging.commands.verify import add_verify
from services.feature_logging.models import Bundles
from services.feature_logging.settings import Settings
from services.feature_logging.store.forgetting.concealing import Concealer
from services.feature_logging.store.history import import_history
from services.feature_logging.store.keystore import KeyStore
from services.feature_logging.store.labels.matcher import Bounds
from services.feature_logging.store.log import FeatureLog, Limits
from services.feature_logging.store.memory import use_system_allocator
from services.feature_logging.store.restating import Book
from services.feature_logging.store.table import Damaged
from services.feature_logging.store.upkeep.cycle import Kept, Upkeep
from services.feature_logging.store.upkeep.retention import Retention
from services.feature_logging.stream.consume import consume
from services.feature_logging.stream.intake import SERVICE, Intake
from services.feature_logging.stream.repair import can_mend
from shared.arguments import path
from shared.definition import read_definition
from shared.errors import DriftlineError, InvalidInput, first_problem
from shared.feature_log.completeness import completeness
from shared.feature_log.damage import Damage
from shared.feature_log.opened import open_log
from shared.http import Health, serve
from shared.logging import configure


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with one line on stderr that says what is wrong; `completeness` answers 1 for broken."""
    options = _parser().parse_args(arguments)
    try:
        settings = Settings(state=options.state) if options.state else Settings()
        return int(options.run(settings, options))
    except ValidationError as error:
        reason = "setting " + ": ".join(first_problem(error, "environment"))
    except (DriftlineError, OSError, DeltaError) as error:
        reason = str(error)
    print(f"{SERVICE}: {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description=__doc__)
    parser.set_defaults(run=run_service, state=None)
    commands = parser.add_subparsers()
    check = commands.add_parser("completeness", help="is every message in the tables, once? (services stopped)")
    check.set_defaults(run=show_completeness)
    load = commands.add_parser("import", help="add rows from before Driftline to a model's history")
    load.add_argument("--model", required=True)
    load.add_argument("--definition", required=True, type=path, help="the model's model.toml")
    load.add_argument("--file", required=True, type=path, help="a Parquet file")
    load.set_defaults(run=load_history)
    for command in (check, load, add_snapshot(commands), add_query(commands), add_verify(commands)):
        command.add_argument("--state", type=path, help="state folder (default: DRIFTLINE_STATE)")
    return parser


def run_service(settings: Settings, _: argparse.Namespace) -> int:
    """Serve and consume until SIGTERM."""
    configure(SERVICE, settings.log_level)
    use_system_allocator()
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    health = Health()

    def on_trouble(reason: str | None) -> None:
        health.ready() if reason is None else health.not_ready(reason)

    limits = Limits(settings.commit_rows, settings.compact_commits, settings.prove_seconds)
    feature_log = FeatureLog(settings.tables, limits, on_trouble)
    keys = KeyStore(settings.feature_log_keys)
    concealer = Concealer(settings.tables, keys)
    bundles = Bundles(settings.bundles, settings.trust, keys, concealer.predictions)
    bounds = Bounds(labels=settings.recent_labels, times=settings.recent_ids)
    intake = Intake(feature_log, bundles.get, concealer, bounds)
    app = build_app(settings, feature_log, health)

    def on_damage(found: Sequence[Damage]) -> None:
        if any(can_mend(settings.tables, damage) for damage in found):
            feature_log.stop(Damaged("; ".join(said for damage in found for said in damage.told())))

    book, days = Book(settings.tables, KeyStore(settings.feature_log_keys)), settings.keep_days
    kept = Kept(settings.keep_hours, None if days is None else Retention(book, days))
    upkeep = Upkeep(settings.tables, settings.bundles, kept, settings.upkeep_seconds, on_damage)
    await serve(app, settings, consume(settings, feature_log, intake, health), upkeep.run())


def show_completeness(settings: Settings, _: argparse.Namespace) -> int:
    """Print the report on the tables as they are."""
    report = completeness(open_log(settings.tables))
    _print(report.model_dump(mode="json"))
    return 0 if report.complete else 1


def load_history(settings: Settings, options: argparse.Namespace) -> int:
    """Import one file and print what came of it."""
    definition = read_definition(options.definition)
    if definition.name != options.model:
        raise InvalidInput("model", f"{options.definition} defines {definition.name}, not {options.model}")
    _print(asdict(import_history(settings.tables, definition, options.file, KeyStore(settings.feature_log_keys))))
    return 0


def _print(answer: object) -> None:
    print(json.dumps(answer, indent=2))  # noqa: T201  # a command's answer


if __name__ == "__main__":
    sys.exit(main())
