"""The broker's jars in the user's cache folder: every one is checked against the lock before every start."""

import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cli.errors import UserError
from cli.kafka.fetch import fetch_jars
from cli.kafka.lockfile import Jar

_THREADS = 4


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/driftline/jars`, or `~/.cache/driftline/jars`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path there counts as not set.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "driftline" / "jars"


def ensure_jars(
    jars: Sequence[Jar],
    folder: Path | None = None,
    say: Callable[[str], None] = print,
    stop: threading.Event | None = None,
) -> list[Path]:
    """Paths of all the jars, whole and as locked, in order; what is missing or damaged is fetched.

    All 43 MB are hashed each time: that takes a tenth of a second, and a stamp could hide damage. Without
    anything to fetch no network is used.

    Args:
        jars: what the lock names.
        folder: where they are kept; default: the user's cache folder.
        say: gets plain lines while something is fetched.
        stop: set by another thread to give up soon.

    Raises:
        UserError: something cannot be fetched, or what was fetched is not what the lock names.
        OSError: the folder cannot be written.
    """
    folder = folder or cache_folder()
    if wrong := find_wrong(jars, folder):
        _put_right(wrong, folder, say, stop or threading.Event())
    return [folder / jar.filename for jar in jars]


def _put_right(wrong: Sequence[Jar], folder: Path, say: Callable[[str], None], stop: threading.Event) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder, say, stop):
        wrong = find_wrong(wrong, folder)  # another process may have fetched them while we waited
        for jar in wrong:
            if (folder / jar.filename).exists():
                say(f"{jar.filename} in the cache is damaged; fetching it again")
        if wrong:
            fetch_jars(wrong, folder, say, stop)


def find_wrong(jars: Sequence[Jar], folder: Path) -> list[Jar]:
    """Those of the jars that are missing in the folder or differ from the lock."""
    with ThreadPoolExecutor(_THREADS) as pool:
        hashes = pool.map(lambda jar: sha256(folder / jar.filename), jars)
        return [jar for jar, found in zip(jars, hashes, strict=True) if found != jar.sha256]


def sha256(path: Path) -> str | None:
    """Lower-case hex of the file's SHA-256, or None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


@contextmanager
def _only_one(folder: Path, say: Callable[[str], None], stop: threading.Event) -> Iterator[None]:
    """One process at a time fetches; the lock goes with its holder."""
    with (folder / ".lock").open("w") as lock:
        if not _try_lock(lock.fileno()):
            say("waiting for another process that fetches Kafka")
            while not _try_lock(lock.fileno()):
                if stop.wait(0.2):
                    raise UserError("fetching Kafka was stopped")
        yield


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
