"""The audit log can't be changed unseen."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from services.governance.__main__ import main
from services.governance.domain.audit import Action, ChainBroken, verify
from services.governance.store import log
from services.governance.store.database import Database
from services.governance.store.desk import Desk
from services.governance.store.tables import audit
from tests.unit.governance.world import NOON

LOOSEN = "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a log of ten entries."""
    path = tmp_path / "audit.db"
    database = Database(f"sqlite:///{path}")
    database.create()
    for number in range(10):
        with database.write() as connection:
            payload = {"number": number, "share": 0.1 * number, "reason": "größer"}
            log.append(connection, Action(actor="ada", action="tried", subject=str(number), payload=payload), NOON)
    database.close()
    return path


def check(path: Path) -> int:
    database = Database(f"sqlite:///{path}")
    with database.read() as connection:
        found = verify(log.every(connection), log.head(connection))
    database.close()
    return found


def tamper(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(LOOSEN + script)


def test_an_untouched_log_is_whole(path: Path) -> None:
    assert check(path) == 10


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE seq = 4", "entry 4 does not have its hash"),
        ("UPDATE audit SET payload = '{\"number\": 99}' WHERE seq = 7", "entry 7 does not have its hash"),
        ("UPDATE audit SET at = '2020-01-01 00:00:00.000000' WHERE seq = 1", "entry 1 does not have its hash"),
        ("DELETE FROM audit WHERE seq = 5", "entry 5 is missing"),
        ("DELETE FROM audit WHERE seq = 10", "the log ends with entry 9, its head says 10"),
        ("DELETE FROM audit", "the log ends with entry 0, its head says 10"),
        ("UPDATE audit SET seq = 99 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4", "entry 3 does not have"),
        (
            "INSERT INTO audit SELECT 11, at, 'eve', action, subject, payload, prev_hash, hash FROM audit WHERE seq=10",
            "entry 11 does not have",
        ),
        ("UPDATE audit_head SET hash = '" + "e" * 64 + "'", "the log ends with entry 10"),
    ],
)
def test_tampering_is_found_and_its_place_named(path: Path, script: str, told: str) -> None:
    tamper(path, script)
    with pytest.raises(ChainBroken, match=told):
        check(path)


@pytest.mark.parametrize("change", [lambda: audit.update().values(actor="eve"), audit.delete])
def test_the_database_refuses_to_change_an_entry(path: Path, change: Callable[[], object]) -> None:
    database = Database(f"sqlite:///{path}")
    with pytest.raises(IntegrityError, match="append-only"), database.write() as connection:
        connection.execute(change())  # type: ignore[call-overload]  # a statement of either kind
    database.close()
    assert check(path) == 10


def test_the_command_says_whole_or_where_it_is_broken(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_GOVERNANCE_DB", f"sqlite:///{path}")
    assert main(["audit", "verify"]) == 0
    assert "10 entries, the chain is whole" in capsys.readouterr().out
    tamper(path, "UPDATE audit SET action = 'nothing' WHERE seq = 2")
    assert main(["audit", "verify"]) == 1
    assert "entry 2 does not have its hash" in capsys.readouterr().err


def test_the_command_needs_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_STATE", str(tmp_path / "nothing"))
    monkeypatch.delenv("DRIFTLINE_GOVERNANCE_DB", raising=False)
    assert main(["audit", "verify"]) == 1
    assert not (tmp_path / "nothing").exists()


def test_a_writer_that_is_killed_leaves_a_whole_chain(desk: Desk, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from services.governance.store.database import Database\n"
        "from services.governance.store import log\n"
        "from services.governance.domain.audit import Action\n"
        "database = Database(sys.argv[1])\n"
        "while True:\n"
        "    with database.write() as connection:\n"
        "        entry = log.append(connection, Action(actor='a', action='b', subject='c', payload={}),"
        " datetime.now(UTC))\n"
        "    print(entry.seq, flush=True)\n"
    )
    path = tmp_path / "governance.db"
    writer = subprocess.Popen([sys.executable, "-c", script, f"sqlite:///{path}"], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    seen = [int(writer.stdout.readline()) for _ in range(50)][-1]
    writer.kill()
    seen = max([seen, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    with desk.database.read() as connection:
        assert verify(log.every(connection), log.head(connection)) >= seen
