"""The embedded broker: its folder, its ports, its process."""

import asyncio
import base64
import shutil
import threading
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import chain
from pathlib import Path

from cli.errors import UserError
from cli.kafka.config import DATA, KafkaPorts, former_ports, render, server_properties
from cli.kafka.jars import ensure_jars
from cli.kafka.java import BROKER, BROKER_OPTIONS, TOOL, TOOL_OPTIONS, java_argv, java_env, run_tool
from cli.kafka.lockfile import read_lock
from cli.process.child import Command
from cli.process.ports import candidates, is_free, plan_ports

LOG = "kafka.log"

_PROPERTIES = "server.properties"
_GRACE = 15.0  # seconds to close its files after SIGTERM; it needs a third of one


def choose_ports(state: Path, port: int | None = None, avoid: Collection[int] = ()) -> KafkaPorts:
    """Free ports: the client's as given, else those of the last start in this state if they are still free.

    Raises:
        UserError: the given port is busy, or one of those to avoid because others will take them.
    """
    former: list[int] = []
    with suppress(OSError):
        former = former_ports((state / "kafka" / _PROPERTIES).read_text("latin-1"))
    given = {} if port is None else {"kafka": port}
    tries = chain(former, candidates())
    chosen = plan_ports(("kafka", "controller"), given, tries, lambda port: port not in avoid and is_free(port))
    return KafkaPorts(chosen["kafka"], chosen["controller"])


async def prepare(state: Path, ports: KafkaPorts, say: Callable[[str], None], *, learn: bool = False) -> Command:
    """Fetches what is missing, writes the settings, formats the storage once; returns the broker's command.

    `learn`: both programs make archives of their classes, see `cli.kafka.archive`.

    Raises:
        UserError: the jars cannot be had, or the storage cannot be formatted.
        OSError: the state folder cannot be written.
    """
    jars = await _jars(say)
    home = (state / "kafka").resolve()
    tmp = home / "tmp"
    shutil.rmtree(tmp, ignore_errors=True)  # a killed broker leaves its unpacked libraries
    tmp.mkdir(parents=True)
    if not (home / DATA).exists():
        await _format(home, jars, ports, learn=learn)
    (home / _PROPERTIES).write_text(render(server_properties(ports)), "ascii")
    return Command(
        name="kafka",
        argv=java_argv(jars, BROKER_OPTIONS, tmp, BROKER, _PROPERTIES, learn=learn),
        env=java_env(),
        log=state / "logs" / LOG,
        cwd=home,
        grace=_GRACE,
    )


async def _jars(say: Callable[[str], None]) -> list[Path]:
    stop = threading.Event()
    try:
        return await asyncio.to_thread(ensure_jars, read_lock(), say=say, stop=stop)
    finally:
        stop.set()  # if we are cancelled, the thread must not go on downloading


async def _format(home: Path, jars: list[Path], ports: KafkaPorts, *, learn: bool) -> None:
    """Formats into a new folder and renames it: a storage is there whole or not at all."""
    new = f"{DATA}.new"
    shutil.rmtree(home / new, ignore_errors=True)
    config = home / "format.properties"
    config.write_text(render(server_properties(ports, new)), "ascii")
    format_args = ("format", "--standalone", "--cluster-id", _cluster_id(), "--config", config.name)
    await run_tool(java_argv(jars, TOOL_OPTIONS, home / "tmp", TOOL, *format_args, learn=learn), home)
    (home / new).rename(home / DATA)
    config.unlink()


def _cluster_id() -> str:
    """A random UUID as Kafka writes it; a leading dash would look like an option."""
    name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return name if name[0] != "-" else _cluster_id()


def why_it_ended(lines: list[str], log: Path) -> UserError:
    """What the broker's last log lines say about its end, in one line."""
    text = "\n".join(lines)
    if "No space left on device" in text:
        return UserError(f"Kafka ended: the disk is full (see {log})")
    if "Address already in use" in text:
        return UserError(f"Kafka ended: its port is busy (see {log})")
    errors = [line for line in lines if " ERROR " in line or " FATAL " in line or "Exception" in line]
    last = (errors or lines or ["it logged nothing"])[-1]
    return UserError(f"Kafka ended: {last} (see {log})")
