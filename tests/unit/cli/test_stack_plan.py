import sys
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.stack.plan import ROOT, SERVICES, Plan, Service, parse_ports, service_command

PLAN = Plan(Path("/state"))


def test_by_default_the_five_services_are_started_as_modules() -> None:
    names = ("inference", "feature_logging", "drift_detection", "retrain_trigger", "governance")
    assert PLAN.names == names
    assert [service.command for service in SERVICES] == [(sys.executable, "-m", f"services.{name}") for name in names]


def test_a_service_is_told_where_everything_is_and_keeps_the_rest_of_the_environment() -> None:
    command = service_command(
        Service("one", ("run", "me")), PLAN, {"one": 20_001}, "127.0.0.1:9", {"HOME": "/h", "DRIFTLINE_PORT": "1"}
    )
    assert command.argv == ("run", "me")
    assert command.log == Path("/state/logs/one.jsonl")
    assert command.env == {
        "HOME": "/h",
        "PYTHONPATH": str(ROOT),
        "KAFKA_BOOTSTRAP": "127.0.0.1:9",
        "DRIFTLINE_STATE": "/state",
        "DRIFTLINE_HOST": "127.0.0.1",
        "DRIFTLINE_PORT": "20001",
        "DRIFTLINE_INSTANCE": "one",
    }


def test_an_own_pythonpath_is_kept_behind_ours() -> None:
    command = service_command(SERVICES[1], PLAN, {SERVICES[1].name: 1}, "k:1", {"PYTHONPATH": "/mine"})
    assert command.env["PYTHONPATH"] == f"{ROOT}:/mine"


def test_inference_alone_is_given_a_second_port_for_grpc() -> None:
    assert PLAN.port_names == (*PLAN.names, "inference_grpc")
    inference, ports = SERVICES[0], {"inference": 1, "inference_grpc": 2}
    env = service_command(inference, PLAN, ports, "k:1", {}).env
    assert (env["DRIFTLINE_PORT"], env["DRIFTLINE_GRPC_PORT"]) == ("1", "2")


def test_ports_are_given_by_name_with_dashes_or_underscores() -> None:
    assert parse_ports(["inference=8080", "inference-grpc=8081"]) == {"inference": 8080, "inference_grpc": 8081}


@pytest.mark.parametrize("option", ["inference", "inference=", "inference=x", "inference=-1", "inference=1.5"])
def test_a_port_option_that_cannot_be_read_is_quoted(option: str) -> None:
    with pytest.raises(UserError, match=f"^--port {option}: expected SERVICE=N, such as inference=8080$"):
        parse_ports([option])


def test_a_service_named_twice_is_an_error() -> None:
    with pytest.raises(UserError, match="inference already has port 1"):
        parse_ports(["inference=1", "inference=2"])
