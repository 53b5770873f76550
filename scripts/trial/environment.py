"""Environments with the packages of one service alone, from its hashed lock."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from scripts.trial.errors import TrialFailed

ROOT = Path(__file__).parents[2]
_ENOUGH = 6_000  # characters to see what went wrong
_UV = ROOT / ".cache" / "uv-venv" / "bin" / "uv"


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `.envs/<service>`, of the interpreter of `.venv` if none is asked for.

    `interpreter` is what uv takes for `--python`, such as `>=3.11,<3.13`; nothing is downloaded for it.
    """

    service: str
    root: Path = ROOT
    interpreter: str = ""

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.root / ".envs" / self.service

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    async def sync(self, *locks: str) -> None:
        """Make it hold exactly what the locks of these names say.

        Raises:
            TrialFailed: a package cannot be had or has another hash.
        """
        if not self.python.exists():
            wanted = self.interpreter or self.root / ".venv/bin/python"
            await output_of(_UV, "--quiet", "venv", "--clear", "--no-python-downloads", "--python", wanted, self.folder)
        files = [self.root / "requirements" / f"{name}.lock" for name in locks]
        await output_of(_UV, "--quiet", "pip", "sync", "--python", self.folder, "--require-hashes", *files)


def caching() -> dict[str, str]:
    """Our own environment, but compiled modules are kept: processes that tests start take a third of the time."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


async def output_of(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints, the end of it if it is long.

    Raises:
        TrialFailed: its exit code is not 0; with what it printed.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=caching(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    text = printed.decode(errors="replace").strip()[-_ENOUGH:]
    if process.returncode:
        raise TrialFailed(f"{Path(command[0]).name} ended with {process.returncode}", text)
    return text
