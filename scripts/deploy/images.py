"""Problems of the Dockerfile, looked for in the image of each service."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.deploy import SERVICES
from scripts.deploy.context import read_rules, sent_files
from scripts.deploy.dockerfile import Copy, Stage, chain, copies, instructions, parse


def problems(root: Path) -> list[str]:
    """What is wrong with `Dockerfile` and `.dockerignore` in `root`, a sentence each."""
    return [f"Dockerfile, {service}: {problem}" for service in SERVICES for problem in _of_image(root, service)]


def _of_image(root: Path, service: str) -> Iterator[str]:
    try:
        stages = parse((root / "Dockerfile").read_text(), {"SERVICE": service})
    except ValueError as error:
        yield str(error)
        return
    yield from _bases(stages)
    yield from _sources(root, stages)
    yield from _run(stages, service)
    yield from _code(stages, service)


def _bases(stages: Mapping[str, Stage]) -> Iterator[str]:
    for name in ("environment", "kernel", "last"):
        if name not in stages:
            yield f"there is no stage {name}"
            return
        image = chain(stages, name)[0].parent
        if not re.fullmatch(r"[a-z0-9./-]+:[\w.-]+", image) or image.endswith(":latest"):
            yield f"{image} is neither a stage nor an image with a tag"


def _sources(root: Path, stages: Mapping[str, Stage]) -> Iterator[str]:
    rules = read_rules((root / ".dockerignore").read_text())
    for copy in [*copies(stages, "environment"), *copies(stages, "kernel"), *copies(stages)]:
        if not (root / copy.source).exists():
            yield f"COPY {copy.source}: there is no such file"
        elif not sent_files(root, copy, rules):
            yield f"COPY {copy.source}: .dockerignore keeps it out"
    for copy in copies(stages):
        if copy.target.startswith("/"):
            yield f"COPY {copy.source}: {copy.target} is not in the working directory"


def _run(stages: Mapping[str, Stage], service: str) -> Iterator[str]:
    users = instructions(stages, "USER")
    if not users or not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1]):
        yield "the last USER must be a number other than 0"
    if not any("/live" in line for line in instructions(stages, "HEALTHCHECK")):
        yield "there is no HEALTHCHECK on /live"
    if not any("PYTHONUNBUFFERED=1" in line for line in instructions(stages, "ENV")):
        yield "PYTHONUNBUFFERED is not set"
    exposed = set(" ".join(instructions(stages, "EXPOSE")).split())
    for port in re.findall(r"_PORT=(\d+)", " ".join(instructions(stages, "ENV"))):
        if port not in exposed:
            yield f"port {port} is set but not EXPOSEd"
    started = [*instructions(stages, "ENTRYPOINT"), *instructions(stages, "CMD")]
    if [_words(line) for line in started] != [["python", "-m", f"services.{service}"]]:
        yield f"CMD must be python -m services.{service} as a JSON list, without a shell, and nothing else"


def _words(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line


def _code(stages: Mapping[str, Stage], service: str) -> Iterator[str]:
    """An image holds its own service, shared and the packages' own files: never another service."""
    held = {copy.source.rstrip("/") for copy in copies(stages)}
    for needed in (f"services/{service}", "shared", "services/__init__.py"):
        if needed not in held:
            yield f"{needed} is not copied"
    for other in {"services", *(f"services/{name}" for name in SERVICES if name != service)} & held:
        yield f"{other} does not belong in it"
    if Copy(f"requirements/{service}.lock", "/tmp/service.lock") not in copies(stages, "environment"):  # noqa: S108  # in the image
        yield f"requirements/{service}.lock is not what it installs"
    if "--from=kernel /kernel/ shared/reference/kernel/" not in instructions(stages, "COPY"):
        yield "the compiled kernel is not copied"
    for stage in (stages["environment"], stages["kernel"]):
        if not any("--require-hashes" in rest for word, rest in stage.instructions if word == "RUN"):
            yield f"pip must be told --require-hashes in {stage.name}"
