"""Problems of docker-compose.yml: its schema, and what a schema cannot say."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from scripts.deploy import SERVICES

SCHEMA = Path(__file__).parents[2] / "tests" / "data" / "compose-spec.json"


def problems(path: Path) -> list[str]:
    """What is wrong with a compose file, a sentence each; asks `docker compose` where there is one."""
    try:
        compose = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        return [f"{path.name}: {error}"]
    found = [*_schema(compose)]
    if not found:
        found = [*_asked(path), *_references(compose), *_images(compose), *_exposure(compose)]
    return [f"{path.name}, {problem}" for problem in found]


def _schema(compose: Any) -> Iterator[str]:
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    for error in validator.iter_errors(compose):
        yield f"{'.'.join(map(str, error.absolute_path)) or 'top'}: {error.message}"


def has_compose() -> bool:
    """Whether docker and its compose plugin are installed; no daemon is needed to read a file."""
    try:
        return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _asked(path: Path) -> Iterator[str]:
    if not has_compose():
        return
    asked = ["docker", "compose", "--file", str(path), "config", "--quiet"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode:
        yield f"docker compose config: {answer.stderr.strip()}"


def _references(compose: Mapping[str, Any]) -> Iterator[str]:
    services = compose["services"]
    for missing in sorted(set(SERVICES) - set(services)):
        yield f"services: {missing} is missing"
    for name, service in services.items():
        for other in service.get("depends_on", ()):
            if other not in services:
                yield f"services.{name}.depends_on: there is no service {other}"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0] if isinstance(volume, str) else volume.get("source", "")
            if source[:1] not in ".~/" and source not in compose.get("volumes", {}):
                yield f"services.{name}.volumes: there is no volume {source}"


def _images(compose: Mapping[str, Any]) -> Iterator[str]:
    for name, service in compose["services"].items():
        if "build" in service:
            built = service["build"].get("args", {}).get("SERVICE")
            if built not in SERVICES or (name in SERVICES and built != name):
                yield f"services.{name}.build.args.SERVICE: {built} is not the service's name"
        elif service.get("image", "").partition(":")[2] in ("", "latest"):
            yield f"services.{name}.image: expected an image with a version's tag"
        if name in SERVICES and "/ready" not in str(service.get("healthcheck")):
            yield f"services.{name}.healthcheck: expected one on /ready"


def _exposure(compose: Mapping[str, Any]) -> Iterator[str]:
    for name, service in compose["services"].items():
        for port in service.get("ports", ()):
            if not (isinstance(port, str) and port.startswith("127.0.0.1:")):
                yield f"services.{name}.ports: {port} is not bound to 127.0.0.1"
        if name in SERVICES and not (service.get("read_only") and service.get("cap_drop") == ["ALL"]):
            yield f"services.{name}: expected read_only and cap_drop ALL"
