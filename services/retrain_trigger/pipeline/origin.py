"""Which code and which environment train: what lineage needs beside data and settings."""

import hashlib
import subprocess
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements" / "retrain_trigger.lock"


def code_commit(told: str, root: Path = ROOT) -> str:
    """The commit of the checkout at `root`, `-dirty` where tracked files differ; without one `told`."""
    if not (root / ".git").exists():
        return told
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return told
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def environment(lock: Path = LOCK) -> str:
    """sha256 of the lock file; where there is none, of the names and versions of what is installed."""
    if lock.exists():
        return hashlib.sha256(lock.read_bytes()).hexdigest()
    installed = sorted({f"{item.name.lower()}=={item.version}" for item in distributions()})
    return hashlib.sha256("\n".join(installed).encode()).hexdigest()
