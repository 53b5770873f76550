"""What Arrow has freed is the system's again."""

import subprocess
import sys

import pytest

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
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    full, half, empty = map(float, told.split())
    assert full > 190
    assert half < 120
    assert empty < 20
