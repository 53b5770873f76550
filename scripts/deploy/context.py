"""What the build context holds: the rules of .dockerignore, and an image's files copied as a build would."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from scripts.deploy.dockerfile import Copy, copies, parse


def read_rules(text: str) -> list[str]:
    """The patterns of a .dockerignore, comments left out."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def is_sent(path: str, rules: Sequence[str]) -> bool:
    """Whether a file is part of the build context: the last pattern that matches it or a folder above it decides."""
    sent = True
    for rule in rules:
        if _pattern(rule.removeprefix("!")).match(path):
            sent = rule.startswith("!")
    return sent


def _pattern(rule: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = re.sub(r"\*\*/|\*\*|\*|\?|[^*?]+", lambda found: parts.get(found[0], re.escape(found[0])), rule.strip("/"))
    return re.compile(f"{body}(?:/|$)")


def sent_files(root: Path, copy: Copy, rules: Sequence[str]) -> list[Path]:
    """The files that a COPY takes, relative to `root`."""
    source = root / copy.source
    found = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    relative = [path.relative_to(root) for path in found]
    return [path for path in relative if is_sent(path.as_posix(), rules)]


def lay_out(root: Path, service: str, target: Path) -> None:
    """Copy into `target` what the image of a service holds in its working directory.

    What another stage compiles is taken from where `make install` compiled it.
    """
    rules = read_rules((root / ".dockerignore").read_text())
    for copy in copies(parse((root / "Dockerfile").read_text(), {"SERVICE": service})):
        for path in sent_files(root, copy, rules):
            inside = path.relative_to(copy.source) if (root / copy.source).is_dir() else Path()
            place = target / copy.target.lstrip("/") / inside
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, place)
    for compiled in root.glob("shared/**/*.so"):
        shutil.copyfile(compiled, target / compiled.relative_to(root))
