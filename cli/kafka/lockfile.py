"""Reads `jgo.lock.toml`: which jars make up the broker, and their hashes."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "jgo.lock.toml"

_COORDINATE = re.compile(r"[A-Za-z0-9_.\-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Jar:
    """One Maven artifact of packaging `jar`; `sha256` in lower-case hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """As Maven names it: `kafka-clients-4.4.0.jar`."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(path: Path = LOCK) -> tuple[Jar, ...]:
    """The jars in the order of the class path.

    Raises:
        ValueError: a field is missing or malformed, or two jars would have the same file name.
        OSError: the file cannot be read.
    """
    entries = tomllib.loads(path.read_text("utf-8")).get("dependencies", [])
    jars = tuple(_jar(entry, f"{path.name}: dependencies[{index}]") for index, entry in enumerate(entries))
    names = [jar.filename for jar in jars]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not jars:
        raise ValueError(f"{path.name}: {twice[0]} stands there twice" if twice else f"{path.name}: no dependencies")
    return jars


def _jar(entry: dict[str, Any], where: str) -> Jar:
    def text(key: str, pattern: re.Pattern[str]) -> str:
        value = entry.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{where}.{key}: {value!r} does not match {pattern.pattern}")
        return value

    if entry.get("packaging", "jar") != "jar" or "classifier" in entry:
        raise ValueError(f"{where}: only plain jars are known here")
    return Jar(
        text("groupId", _COORDINATE),
        text("artifactId", _COORDINATE),
        text("version", _COORDINATE),
        text("sha256", _SHA256),
    )
