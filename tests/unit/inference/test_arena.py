"""What sessions compute keeps within the arena: a run that needs more fails, and the next one does not."""

import subprocess
import sys
from pathlib import Path

# In a process of its own: the arena is that of the whole process.
CODE = """
from pathlib import Path
import numpy as np
from services.inference.domain.onnx_file import FEATURES
from services.inference.models.session import bound_arena, open_session
from tests.unit.inference.hostile import HOSTILE

bound_arena(64 * 2**20)
cubic = open_session(HOSTILE["rows by rows by rows"][0])
for count in (3, 600, 3):
    try:
        cubic.run(None, {FEATURES: np.zeros((count, 3), dtype=np.float32)})
        print("answers")
    except Exception as error:
        print("Available memory" in str(error))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) < 200_000)  # kB, the most there ever was
"""


def test_a_run_that_needs_more_than_the_arena_fails_alone() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["answers", "True", "answers", "True"]
    assert done.stderr == ""  # no line in the log for each
