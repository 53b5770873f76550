import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def driftline(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *argv], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_help_lists_the_commands_and_loads_none_of_what_they_need() -> None:
    listed = driftline("--help")
    assert listed.returncode == 0
    assert "Start Kafka and the five services" in listed.stdout
    heavy = {"aiokafka", "httpx", "jgo", "numpy", "pyarrow"}
    code = f"import sys, cli.__main__; print({heavy} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout == "set()\n"


def test_what_the_user_can_put_right_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    failed = driftline("up", "--state", str(tmp_path), "--port", "nonsense=1")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("driftline: port for nonsense: there is no such service; there are inference,")
    assert failed.stderr.count("\n") == 1
