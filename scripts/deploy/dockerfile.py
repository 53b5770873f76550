"""The Dockerfile as data: its stages, and what an image holds of this repository."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

GLOBAL = ""


@dataclass
class Stage:
    """One stage. `parent` is another stage's name or an image; instructions are (WORD, rest of the line)."""

    name: str
    parent: str = ""
    instructions: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Copy:
    """`COPY source target` out of the build context; `target` is relative to the working directory or absolute."""

    source: str
    target: str


def parse(text: str, arguments: Mapping[str, str]) -> dict[str, Stage]:
    """The stages by name, the last one also as "last"; build arguments and their defaults are filled in.

    Raises:
        ValueError: an instruction stands before the first FROM and is no ARG, or a variable has no value.
    """
    values = dict(arguments)
    stages: dict[str, Stage] = {}
    current: Stage | None = None
    for word, rest in _lines(text):
        if word == "FROM":
            current = _stage(_expand(rest, values))
            stages[current.name] = stages["last"] = current
        elif word == "ARG":
            name, has_default, default = rest.partition("=")
            if has_default:
                values.setdefault(name, default)
        elif current is None:
            raise ValueError(f"Dockerfile: {word} stands before the first FROM")
        else:
            current.instructions.append((word, _expand(rest, values) if word == "COPY" else rest))
    return stages


def _lines(text: str) -> list[tuple[str, str]]:
    """Instructions with continued lines joined and comments left out."""
    uncommented = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    joined = re.sub(r"\s*\\\n\s*", " ", uncommented)
    split = (line.strip().split(None, 1) for line in joined.splitlines() if line.strip())
    return [(parts[0].upper(), parts[1].strip() if len(parts) > 1 else "") for parts in split]


def _stage(rest: str) -> Stage:
    parent, *named = rest.split()
    return Stage(named[1] if named and named[0].upper() == "AS" else "last", parent)


def _expand(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in values:
            raise ValueError(f"Dockerfile: {name} has no value")
        return values[name]

    return re.sub(r"\$\{(?P<name>\w+)\}", value, text)


def chain(stages: Mapping[str, Stage], name: str = "last") -> list[Stage]:
    """The stages that a stage is built on, first one first, itself last."""
    stage = stages[name]
    return [*(chain(stages, stage.parent) if stage.parent in stages else []), stage]


def instructions(stages: Mapping[str, Stage], word: str) -> list[str]:
    """What all instructions of one kind say in the final image, in order."""
    return [rest for stage in chain(stages) for found, rest in stage.instructions if found == word]


def copies(stages: Mapping[str, Stage], name: str = "last") -> list[Copy]:
    """What a stage holds of the build context."""
    lines = [rest for stage in chain(stages, name) for word, rest in stage.instructions if word == "COPY"]
    return [
        Copy(source, words[-1])
        for words in map(shlex.split, lines)
        if not words[0].startswith("--from=")
        for source in words[:-1]
    ]
