"""`python -m services.governance`: the service; `audit verify` checks the audit log."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from services.governance.api import build_api
from services.governance.domain.audit import verify
from services.governance.page import mount_page
from services.governance.settings import GovernanceSettings
from services.governance.store import log
from services.governance.store.database import Database
from services.governance.store.desk import open_desk
from services.governance.stream.consume import SERVICE, work
from shared.errors import DriftlineError, first_problem
from shared.http import Health, serve
from shared.logging import configure


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 1 with one line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}", description=__doc__)
    parser.set_defaults(run=run_service)
    audit = parser.add_subparsers().add_parser("audit", help="the audit log").add_subparsers(required=True)
    audit.add_parser("verify", help="is the chain of hashes whole?").set_defaults(run=verify_audit)
    options = parser.parse_args(arguments)
    try:
        options.run(GovernanceSettings())
    except ValidationError as error:
        reason = "setting " + ": ".join(first_problem(error, "environment"))
    except (DriftlineError, SQLAlchemyError, OSError) as error:
        reason = str(error)
    else:
        return 0
    print(f"{SERVICE}: {reason}", file=sys.stderr)  # noqa: T201  # a command's answer
    return 1


def run_service(settings: GovernanceSettings) -> None:
    """Serve, consume and send until SIGTERM."""
    configure(SERVICE, settings.log_level)
    asyncio.run(_serve(settings))


async def _serve(settings: GovernanceSettings) -> None:
    health = Health()
    desk = open_desk(settings, lambda: datetime.now(UTC))
    app = build_api(desk, health)
    mount_page(app, desk)
    try:
        await serve(app, settings, work(desk, health))
    finally:
        desk.database.close()


def verify_audit(settings: GovernanceSettings) -> None:
    """Print how long the chain is and its newest hash.

    Raises:
        ChainBroken: an entry was changed, removed or put in.
        FileNotFoundError: there is no log.
    """
    if settings.database is None and not settings.database_file.exists():
        raise FileNotFoundError(f"no audit log at {settings.database_file}")
    database = Database(settings.database_url)
    with database.read() as connection:
        head = log.head(connection)
        entries = verify(log.every(connection), head)
    database.close()
    print(f"audit: {entries} entries, the chain is whole, its head is {head.hash}")  # noqa: T201  # a command's answer


if __name__ == "__main__":
    sys.exit(main())
