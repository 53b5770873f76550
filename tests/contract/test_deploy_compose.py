"""The compose file is sound, and each rule refuses the file that breaks it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.check_deploy import ROOT
from scripts.deploy.compose import problems

COMPOSE = ROOT / "docker-compose.yml"


def test_the_compose_file_is_sound() -> None:
    assert problems(COMPOSE) == []


def test_every_service_has_what_the_image_takes_from_its_environment() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    assert compose["services"]["inference"]["environment"] == {"KAFKA_BOOTSTRAP": "kafka:9092"}
    assert compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"


RULES: list[tuple[str, Callable[[Any], object]]] = [
    ("'imagee' does not match", lambda it: it["kafka"].update(imagee="x")),
    ("services.kafka.restart: 5 is not of type", lambda it: it["kafka"].update(restart=5)),
    ("governance is missing", lambda it: it.pop("governance")),
    (
        "there is no service nobody",
        lambda it: it["inference"]["depends_on"].update(nobody={"condition": "service_started"}),
    ),
    ("there is no volume elsewhere", lambda it: it["inference"]["volumes"].append("elsewhere:/x")),
    ("is not the service's name", lambda it: it["inference"]["build"]["args"].update(SERVICE="governance")),
    ("expected an image with a version's tag", lambda it: it["kafka"].update(image="apache/kafka")),
    ("expected one on /ready", lambda it: it["inference"].pop("healthcheck")),
    ("is not bound to 127.0.0.1", lambda it: it["inference"].update(ports=["8001:8080"])),
    ("expected read_only", lambda it: it["inference"].pop("read_only")),
]


@pytest.mark.parametrize(("reason", "change"), RULES, ids=[rule[0] for rule in RULES])
def test_a_compose_file_that_breaks_a_rule_is_refused(
    tmp_path: Path, reason: str, change: Callable[[Any], object]
) -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    change(compose["services"])
    file = tmp_path / "docker-compose.yml"
    file.write_text(yaml.safe_dump(compose))
    assert reason in "\n".join(problems(file))


@pytest.mark.parametrize("text", ["services: [", "services: 5", "[]", ""])
def test_a_file_that_is_no_compose_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(text)
    assert problems(file)
