import pytest

from cli.kafka.config import KafkaPorts, former_ports, parse, render, server_properties

PORTS = KafkaPorts(client=20_001, controller=20_002)


def test_what_is_rendered_is_parsed_back() -> None:
    properties = server_properties(PORTS)
    assert parse(render(properties)) == properties
    assert former_ports(render(properties)) == [20_001, 20_002]


def test_all_listeners_are_on_the_loopback_address_only() -> None:
    properties = server_properties(PORTS)
    assert properties["listeners"] == properties["advertised.listeners"]
    for listener in properties["listeners"].split(","):
        assert listener.partition("://")[2].startswith("127.0.0.1:")


def test_one_node_is_enough_for_every_internal_topic() -> None:
    properties = server_properties(PORTS)
    needing = [key for key in properties if key.endswith(("replication.factor", "min.isr", "min.insync.replicas"))]
    assert len(needing) == 7
    assert {properties[key] for key in needing} == {"1"}


def test_topics_are_not_made_by_accident_and_the_broker_stamps_records() -> None:
    properties = server_properties(PORTS)
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["log.message.timestamp.type"] == "LogAppendTime"


def test_comments_and_blank_lines_are_skipped_and_values_may_hold_an_equals_sign() -> None:
    assert parse("# a comment\n\n key = a=b \n") == {"key": "a=b"}


def test_a_line_that_is_no_property_is_named_by_its_number() -> None:
    with pytest.raises(ValueError, match="line 2: no '=' in 'nonsense'"):
        parse("a=b\nnonsense\n")


@pytest.mark.parametrize("text", ["", "nonsense", "listeners=PLAINTEXT://127.0.0.1:port"])
def test_settings_that_do_not_tell_the_former_ports_are_no_error(text: str) -> None:
    assert former_ports(text) == []
