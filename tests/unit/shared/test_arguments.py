import argparse
from pathlib import Path

import pytest

from shared.arguments import path


def test_a_path_is_taken_unless_it_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=path)
    assert parser.parse_args(["--state", "a/b"]).state == Path("a/b")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--state", ""])
    assert (ended.value.code, "argument --state: invalid path value: ''" in capsys.readouterr().err) == (2, True)
