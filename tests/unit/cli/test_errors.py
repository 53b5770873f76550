import errno
from pathlib import Path

import pytest

from cli.errors import UserError, explain
from cli.kafka.broker import why_it_ended
from cli.kafka.ready import check_address
from cli.stack.readyfile import write_ready_file


def test_a_full_disk_is_called_so_with_the_file_if_it_is_known() -> None:
    with pytest.raises(OSError, match="No space left") as failure:
        Path("/dev/full").write_text("x")
    assert explain(failure.value) == "the disk is full"
    assert explain(OSError(errno.ENOSPC, "No space left on device", "/x")) == "the disk is full: /x"


def test_any_other_error_of_the_system_keeps_its_words_and_its_file() -> None:
    assert explain(OSError(errno.EACCES, "Permission denied", "/x")) == "Permission denied: /x"
    assert explain(OSError("odd")) == "odd"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a", "java.io.IOException: No space left on device", "b"], "Kafka ended: the disk is full (see log)"),
        (["java.net.BindException: Address already in use"], "Kafka ended: its port is busy (see log)"),
        (["1 INFO fine", "2 ERROR bad thing", "3 INFO bye"], "Kafka ended: 2 ERROR bad thing (see log)"),
        (["1 INFO fine"], "Kafka ended: 1 INFO fine (see log)"),
        ([], "Kafka ended: it logged nothing (see log)"),
    ],
)
def test_a_broker_that_ended_is_explained_in_one_line_from_its_log(lines: list[str], said: str) -> None:
    assert str(why_it_ended(lines, Path("log"))) == said


@pytest.mark.parametrize("address", ["broker", "broker:", ":9092", "broker:0", "broker:65536", "a:1,b"])
def test_an_address_that_is_not_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="is not host:port"):
        check_address(address)


def test_several_addresses_are_fine() -> None:
    check_address("a:1, b.example:9092,[::1]:9092")


def test_a_ready_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "ready.json"
    write_ready_file(path, {"kafka": "a:1"})
    write_ready_file(path, {"kafka": "a:2"})
    assert path.read_text() == '{\n  "kafka": "a:2"\n}\n'
    assert list(path.parent.iterdir()) == [path]
