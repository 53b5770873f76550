"""Each service in an environment with its own packages alone: its image starts, all its unit tests can be imported, and
of each folder the first one passes.

Names of services as arguments check only those.
"""

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cli.errors import UserError
from cli.signals import run_until_signal
from cli.stack import Plan, running_stack
from scripts.deploy import SERVICES
from scripts.deploy.context import lay_out
from scripts.trial.environment import ROOT, Environment, output_of
from scripts.trial.errors import TrialFailed
from scripts.trial.image import Image
from scripts.trial.trials import bears_no_kafka, becomes_ready

AT_ONCE = 2
LONGEST = ("drift_detection", "retrain_trigger")  # to get ready
NOBODY = "127.0.0.1:9"  # the discard port: nothing listens there


async def check(services: Sequence[str], scratch: Path) -> bool:
    """Try the services on one embedded broker; says how each fared and returns whether all did well."""
    places = asyncio.Semaphore(AT_ONCE)
    async with running_stack(Plan(scratch / "state", services=()), lambda _: None) as stack:
        longest_first = sorted(services, key=lambda service: service not in LONGEST)
        tried = (_try(service, scratch, stack.kafka, places) for service in longest_first)
        return all(await asyncio.gather(*tried))


async def _try(service: str, scratch: Path, bootstrap: str, places: asyncio.Semaphore) -> bool:
    async with places:
        try:
            done = await _trials(service, scratch, bootstrap)
        except TrialFailed as failed:
            print(f"check_services: {service}: {failed.reason}\n{failed.said}", flush=True)
            return False
    print(f"check_services: {service}: {', '.join(done)}", flush=True)
    return True


async def _trials(service: str, scratch: Path, bootstrap: str) -> list[str]:
    environment = Environment(service)
    await environment.sync(service)
    folder, state = scratch / service, scratch / f"{service}-state"
    await asyncio.to_thread(lay_out, ROOT, service, folder)
    _hand_over_keys(service, scratch / "state", state)
    image = Image(service, environment.python, folder, state, bootstrap)
    done = [await becomes_ready(image)]
    done.append(await bears_no_kafka(Image(service, environment.python, folder, state, NOBODY)))
    await environment.sync(service, "test")
    options = ("-p", "no:cacheprovider", "-p", "scripts.trial.first_tests", "--tb=short", "--show-capture=no")
    printed = await output_of(environment.python, "-m", "pytest", *options, f"tests/unit/{service}", cwd=ROOT)
    passed = re.findall(r"^\d+ passed.*", printed, flags=re.MULTILINE)
    if not passed:
        raise TrialFailed("no unit test ran", printed)
    return [*done, f"unit tests: {passed[-1]}"]


def _hand_over_keys(service: str, stack: Path, state: Path) -> None:
    """Its own keys and everyone's public ones, as an installation would."""
    shutil.copytree(stack / "trust", state / "trust")
    (state / "keys").mkdir()
    for key in (stack / "keys").glob(f"{service}.*"):
        shutil.copy(key, state / "keys")


async def _main(services: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="driftline-") as scratch:
        if not await check(services, Path(scratch)):
            sys.exit(1)


def main() -> None:
    """Exit code 0 if all services did well; a signal ends what was started, too."""
    services = sys.argv[1:] or list(SERVICES)
    for unknown in set(services) - set(SERVICES):
        sys.exit(f"check_services: {unknown} is no service: expected some of {', '.join(SERVICES)}")
    try:
        if not run_until_signal(_main(services)):
            sys.exit("check_services: stopped")
    except UserError as error:
        sys.exit(f"check_services: {error}")


if __name__ == "__main__":
    main()
