import socket

import pytest

from cli.errors import UserError
from cli.process.ports import candidates, is_free, plan_ports

NAMES = ("a", "b", "c")


def test_given_ports_are_kept_and_the_others_are_the_next_free_ones() -> None:
    busy = {20_001, 20_003}
    plan = plan_ports(NAMES, {"b": 20_002}, iter(range(20_001, 20_010)), lambda port: port not in busy)
    assert plan == {"a": 20_004, "b": 20_002, "c": 20_005}
    assert list(plan) == list(NAMES)


def test_no_port_is_chosen_twice_even_if_it_is_offered_twice() -> None:
    plan = plan_ports(NAMES, {}, iter([20_001, 20_001, 20_002, 20_003]), lambda _: True)
    assert sorted(plan.values()) == [20_001, 20_002, 20_003]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": 8080}, "port for x: there is no such service; there are a, b, c"),
        ({"a": 0}, "port for a: 0 is not between 1 and 65535"),
        ({"a": 65_536}, "port for a: 65536 is not between 1 and 65535"),
        ({"a": 8080, "b": 8080}, "port for b: 8080 is already given to a"),
        ({"c": 8081}, "port for c: 8081 is busy or may not be used"),
    ],
)
def test_a_given_port_that_cannot_be_is_named_with_its_service(given: dict[str, int], message: str) -> None:
    with pytest.raises(UserError) as failure:
        plan_ports(NAMES, given, iter([]), lambda port: port != 8081)
    assert str(failure.value) == message


def test_when_nothing_is_free_it_says_so() -> None:
    with pytest.raises(UserError, match="no free port"):
        plan_ports(NAMES, {}, iter([1, 2]), lambda _: False)


def test_a_port_somebody_listens_on_is_not_free_and_is_free_again_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_candidates_lie_below_the_ports_that_outgoing_connections_get() -> None:
    tries = list(candidates())
    assert len(set(tries)) == len(tries) > 10_000
    assert max(tries) < 32_768
