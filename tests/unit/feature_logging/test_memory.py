"""What Arrow has freed is the system's again."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pyarrow as pa
import pytest

from services.feature_logging import __main__ as main
from services.feature_logging.settings import Settings
from services.feature_logging.store import compactor
from services.feature_logging.store.place import Place
from services.feature_logging.store.table import LogTable
from shared.feature_log.schema import LABELS

ROOT = Path(__file__).parents[3]
# 200 MB in pieces of 64 KiB, of which every second is kept, then none.
CODE = """
import os
from pathlib import Path
import pyarrow as pa
from services.feature_logging.store.memory import give_back, use_system_allocator

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

use_system_allocator()
assert pa.default_memory_pool().backend_name == "system"
before = megabytes()
pieces = [pa.allocate_buffer(65_536) for _ in range(3_200)]
for piece in pieces:
    memoryview(piece).cast("B")[:] = bytes(65_536)
piece = None
full = megabytes()
del pieces[::2]
give_back()
half = megabytes()
del pieces
give_back()
print(full - before, half - before, megabytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_arrow_has_freed_goes_back_whatever_lies_between() -> None:
    command = [sys.executable, "-c", CODE]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    full, half, empty = map(float, told.split())
    assert full > 190
    assert half < 120
    assert empty < 20


def test_the_service_takes_memory_from_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default, seen = pa.default_memory_pool(), []

    async def serve(_: Settings) -> None:
        seen.append(pa.default_memory_pool().backend_name)

    monkeypatch.setattr(main, "_serve", serve)
    try:
        assert main.run_service(Settings(state=tmp_path), Namespace()) == 0
    finally:
        pa.set_memory_pool(default)
    assert seen == ["system"]


def test_a_compaction_gives_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(compactor, "give_back", lambda: given.append(1))
    table = LogTable(Place(tmp_path / "labels", LABELS))
    compactor.Compactor(1, lambda error: pytest.fail(str(error))).compact(table.place, "labels")
    assert given == [1]
