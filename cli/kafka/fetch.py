"""Fetches jars through jgo, the Maven client; nothing gets into the cache unless its hash is the locked one."""

import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cli.errors import UserError, explain
from cli.kafka.lockfile import Jar
from cli.kafka.progress import Progress, show_progress

_AT_ONCE = 4
_PAUSES = (1.0, 2.0)  # seconds between tries
_TIMEOUT = 20  # seconds without an answer


def fetch_jars(jars: Sequence[Jar], folder: Path, say: Callable[[str], None], stop: threading.Event) -> None:
    """Puts each jar into the folder once its SHA-256 is the one in the lock; shows progress on standard error.

    Raises:
        UserError: no network, not found, or other content than locked.
        OSError: the folder cannot be written.
    """
    logging.getLogger("jgo").setLevel(logging.ERROR)  # what matters of its warnings is said here
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch,
        show_progress(len(jars), say) as progress,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        job = _Job(Path(scratch), folder, progress, stop)
        try:
            for _ in pool.map(job.fetch, jars):
                pass
        except BaseException:
            stop.set()  # the other threads give up too
            raise


class _Job:
    def __init__(self, scratch: Path, folder: Path, progress: Progress, stop: threading.Event) -> None:
        self._scratch = scratch
        self._folder = folder
        self._progress = progress
        self._stop = stop

    def fetch(self, jar: Jar) -> None:
        for pause in (*_PAUSES, None):
            try:
                path = self._download(jar)
            except (RuntimeError, OSError) as error:  # requests' errors are OSErrors, without a number
                if isinstance(error, OSError) and error.errno is not None:
                    raise UserError(f"cannot write to {self._folder}: {explain(error)}") from error
                if pause is None:
                    raise UserError(_why(jar, error)) from error
                self._pause(pause)
            else:
                self._accept(jar, path)
                return

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise UserError("fetching Kafka was stopped")

    def _download(self, jar: Jar) -> Path:
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext, PythonResolver

        self._pause(0)
        context = MavenContext(
            resolver=PythonResolver(progress_callback=self._watch),
            repo_cache=Path(tempfile.mkdtemp(dir=self._scratch)),  # a new one: jgo would take a torn file for whole
            remote_repos={"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories,  # the user's mirror
            timeout=_TIMEOUT,
        )
        return context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()

    @contextmanager
    def _watch(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        def update(count: int) -> None:
            self._pause(0)
            self._progress.add_bytes(count)

        yield update

    def _accept(self, jar: Jar, path: Path) -> None:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != jar.sha256:
            raise UserError(f"{jar.filename}: what was fetched has sha256 {found}, the lock says {jar.sha256}")
        os.replace(path, self._folder / jar.filename)
        self._progress.add_file()


def _why(jar: Jar, error: Exception) -> str:
    kind = "is there a network?" if isinstance(error, OSError) else "no repository has it"
    return f"cannot fetch {jar.group}:{jar.artifact}:{jar.version}: {kind} ({type(error).__name__})"
