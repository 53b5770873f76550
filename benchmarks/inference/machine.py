"""Which core a process has, how much of it it takes, and what ran."""

import os
import platform
import resource
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PACKAGES = ("onnxruntime", "numpy", "fastapi", "pydantic", "uvicorn", "uvloop", "httptools", "msgspec", "orjson")


def pin_to_last(pid: int) -> None:
    """Keep a process, all of its threads, on the last core; the servers are on the first."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {(os.cpu_count() or 1) - 1})


class Share(NamedTuple):
    """Of a core: what was taken of it, and for how much of the time it was wanted and somebody else had it."""

    taken: float
    lost: float


class Watch:
    """How much of a core a process, or one thread of this one, takes from here on."""

    def __init__(self, pid: int, thread: int | None = None) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._thread = thread
        self._began = time.perf_counter()
        self._before = self._read()

    def read(self) -> Share:
        """Up to now."""
        took = time.perf_counter() - self._began
        ran, waited = (now - before for now, before in zip(self._read(), self._before, strict=True))
        taken = ran / took
        return Share(taken, max(0.0, min(waited / took, 1 - taken)))  # several threads may wait at once

    def _read(self) -> tuple[float, float]:
        """Seconds that the threads ran, and that they waited for a core."""
        ran = waited = 0
        for thread in os.listdir(self._tasks) if self._thread is None else [str(self._thread)]:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                numbers = (self._tasks / thread / "schedstat").read_text().split()
                ran, waited = ran + int(numbers[0]), waited + int(numbers[1])
        return ran / 1e9, waited / 1e9


def allow_files() -> None:
    """Let this process and those that it starts open as many files as they may: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def megabytes(pid: int) -> float:
    """The memory that a process has now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20


def told() -> dict[str, str]:
    """The machine, and the versions of what is compared."""
    cores = f"{os.cpu_count()} of {_processor()}; servers on the first, load and broker on the last"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return {"cores": cores, "system": f"{system}, Python {platform.python_version()}", "packages": packages}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
