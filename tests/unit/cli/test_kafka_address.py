import pytest

from cli.errors import UserError
from cli.kafka.ready import check_address

WRONG = ["", ":9092", "broker", "broker:", "broker:0", "broker:65536", "broker:²", "http://127.0.0.1:9092", "a b:1"]


@pytest.mark.parametrize("address", ["127.0.0.1:9092", "broker-1.example_x:1", "[::1]:9092", "a:1, b:65535"])
def test_brokers_are_host_and_port(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", [*WRONG, "SSL://broker:9092", "a:1,", "user@broker:1", "broker:9092/"])
def test_what_is_no_host_and_port_is_said_to_be_none(address: str) -> None:
    with pytest.raises(UserError, match="is not host:port"):
        check_address(address)
