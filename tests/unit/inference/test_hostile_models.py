"""Hostile graphs are refused with the reason, soon, and the process that asked lives on."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from services.inference.models.loaded import LoadedModel
from services.inference.models.probe import Inputs
from services.inference.models.trial import Limits, try_out, understood
from shared.errors import InvalidInput
from tests.bundles import DATA
from tests.unit.inference.hostile import HOSTILE, SECRET
from tests.unit.inference.mutants import mutants
from tests.unit.inference.onnx_writer import GOOD

INPUTS = Inputs((0, 0, 3), 5_000)
PATIENT = Limits(seconds=30)  # what is refused at once is refused for its reason on a busy machine, too
MARGIN = 5
MUTANTS = 25  # `python -m scripts.try_mutants` tries 2,000

T = TypeVar("T")


def answer(model: bytes, limits: Limits = PATIENT) -> str:
    """Why it is refused, empty if it is not; within the time."""
    begun = time.monotonic()
    try:
        try_out(model, INPUTS, limits)
    except InvalidInput as refused:
        return str(refused)
    else:
        return ""
    finally:
        assert time.monotonic() - begun < limits.seconds + MARGIN


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_graph_is_refused(case: str) -> None:
    model, reason = HOSTILE[case]
    assert re.search(reason, answer(model, Limits() if "within" in reason else PATIENT))


def hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def symlink(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


@pytest.mark.parametrize("link", [hard_link, symlink])
def test_external_data_behind_a_link_are_refused(
    link: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(bytes(12))
    (tmp_path / "models").mkdir()
    link(tmp_path / "models" / SECRET, tmp_path / "secret")
    monkeypatch.chdir(tmp_path / "models")  # ONNX Runtime looks for the data there
    assert "no external data" in answer(HOSTILE["external data"][0])


def test_no_mutant_of_a_good_graph_ends_this_process() -> None:
    good = [GOOD, *(path.read_bytes() for path in sorted(DATA.glob("*.onnx")))]
    answers = [answer(mutant) for mutant in mutants(good, MUTANTS)]
    assert len(answers) == MUTANTS
    assert any(answers)


def test_a_graph_that_writes_nonsense_is_refused() -> None:
    for said in (b"", b"null", b"[]", b"{}", b'{"bytes": 1}', b'{"stackable": true, "bytes": 1e999}', b"9" * 5_000):
        with pytest.raises(InvalidInput, match="nothing that makes sense"):
            understood(said, Limits())


def test_a_first_run_ends_with_the_process_that_asked_for_it(tmp_path: Path) -> None:
    (tmp_path / "slow.onnx").write_bytes(HOSTILE["long products"][0])
    code = (
        "import pathlib, sys; from services.inference.models.trial import *; "
        "try_out(pathlib.Path(sys.argv[1]).read_bytes(), Inputs((0, 0, 3), 10), Limits(60))"
    )
    asking = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "slow.onnx")])
    child = wait_for(lambda: children(asking.pid), lambda found: len(found) == 1)[0]
    time.sleep(0.5)
    asking.kill()
    asking.wait()
    wait_for(lambda: Path(f"/proc/{child}").exists(), lambda is_there: not is_there)


def test_a_model_that_serves_goes_on_while_another_is_refused(small: LoadedModel) -> None:
    row = np.zeros((1, 3), dtype=np.float32)
    expected = small.run(row)["probabilities"].tolist()
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(answer, HOSTILE["rows by rows by rows"][0])
        answers = 0
        while not refused.done():
            assert small.run(row)["probabilities"].tolist() == expected
            answers += 1
    assert "MB of memory" in refused.result()
    assert answers > 100


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for(look: Callable[[], T], is_right: Callable[[T], bool]) -> T:
    until = time.monotonic() + 60  # a busy machine takes its time to import ONNX Runtime
    while not is_right(found := look()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found
