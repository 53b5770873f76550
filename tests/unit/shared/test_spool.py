import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.kafka.spool import Spool, SpoolInUse


def _all(spool: Spool) -> list[tuple[bytes, int]]:
    found = []
    while (message := spool.read()) is not None:
        found.append((message.value, message.rows))
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "a.spool"


def test_messages_come_back_in_order_after_reopening(path: Path) -> None:
    spool = Spool(path)
    sent = [(bytes([n]) * n, n) for n in range(50)]
    for value, rows in sent:
        spool.append(value, rows)
    assert spool.unread_rows == sum(range(50))
    spool.close()
    again = Spool(path)
    assert (again.unread, again.unread_rows, again.torn_bytes) == (50, sum(range(50)), 0)
    assert _all(again) == sent


def test_what_was_forgotten_does_not_come_back_and_what_was_only_read_does(path: Path) -> None:
    spool = Spool(path)
    for n in range(5):
        spool.append(b"%d" % n, 1)
    ends = [message.end for message in (spool.read(), spool.read(), spool.read()) if message]
    spool.forget(ends[1])
    spool.close()
    assert [value for value, _ in _all(Spool(path))] == [b"2", b"3", b"4"]


def test_the_file_is_emptied_when_all_is_forgotten(path: Path) -> None:
    spool = Spool(path)
    spool.append(b"x" * 10_000, 1)
    message = spool.read()
    assert message is not None
    spool.forget(message.end)
    assert path.stat().st_size < 100
    spool.append(b"next", 1)
    assert _all(spool) == [(b"next", 1)]


@pytest.mark.parametrize("cut", [1, 5, 13, 100])
def test_a_torn_tail_is_cut_and_counted_and_what_stands_before_it_is_kept(path: Path, cut: int) -> None:
    spool = Spool(path)
    spool.append(b"whole", 2)
    whole = path.stat().st_size
    spool.append(b"y" * 200, 3)
    spool.close()
    os.truncate(path, path.stat().st_size - cut)
    left = path.stat().st_size - whole
    again = Spool(path)
    assert (again.unread_rows, again.torn_bytes) == (2, left)
    again.append(b"after", 1)
    assert _all(again) == [(b"whole", 2), (b"after", 1)]


def test_a_flipped_bit_is_found_by_the_checksum(path: Path) -> None:
    spool = Spool(path)
    for _ in range(3):
        spool.append(b"z" * 100, 1)
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    assert _all(spool) == [(b"z" * 100, 1)] * 2
    assert spool.damaged_rows == 1
    spool.close()
    assert Spool(path).unread == 2


def test_a_file_that_is_no_spool_is_cut_and_counted(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else entirely, and long enough")
    spool = Spool(path)
    assert (spool.unread, spool.torn_bytes) == (0, 40)


def test_put_first_goes_before_what_is_unread_and_replaces_what_was_read(path: Path) -> None:
    spool = Spool(path)
    for value in (b"read", b"unread"):
        spool.append(value, 1)
    spool.read()
    spool.put_first([(b"held", 1), (b"read", 1)])
    spool.close()
    assert [value for value, _ in _all(Spool(path))] == [b"held", b"read", b"unread"]


def test_two_processes_can_not_share_a_spool(path: Path) -> None:
    spool = Spool(path)
    with pytest.raises(SpoolInUse, match="another process"):
        Spool(path)
    spool.close()
    Spool(path).close()


WRITER = """
import sys
from pathlib import Path
from shared.kafka.spool import Spool
spool = Spool(Path(sys.argv[1]))
n = 0
while True:
    spool.append(str(n).encode() * 50, n)
    print(n, flush=True)
    n += 1
"""


def test_what_was_appended_survives_kill_9(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) >= 2_000:
            break
    writer.send_signal(signal.SIGKILL)
    told = [2_000, *map(int, writer.stdout.read().split())][-1]
    writer.wait()
    found = [rows for _, rows in _all(Spool(path))]
    assert found == list(range(len(found)))
    assert len(found) > told  # the last line may be missing, never a record
