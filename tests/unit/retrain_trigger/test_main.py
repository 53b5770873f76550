import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.retrain_trigger.__main__ import main
from shared.bundle import open_bundle
from tests.unit.retrain_trigger.stand import ONSET, START, Stand

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    return Stand(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def definition(stand: Stand) -> str:
    path = stand.settings.state / "model.toml"
    path.write_text(stand.definition)
    return str(path)


def train(stand: Stand, path: str, **changes: str) -> int:
    told = {"definition": path, "start": START.isoformat(), "end": ONSET.isoformat()} | changes
    arguments = [part for name, value in told.items() for part in (f"--{name}", value)]
    return main(["train", *arguments, "--state", str(stand.settings.state)])


def test_train_makes_a_first_champion_signed_by_operator_and_says_its_digest_last(
    stand: Stand, definition: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(stand, definition) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    bundle = open_bundle(stand.settings.bundles, answer["digest"], stand.settings.trust)
    assert bundle.signer == "operator"
    assert bundle.evaluation["metrics"] == answer["metrics"]
    assert train(stand, definition) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == answer


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"start": "yesterday"}, "start: must be RFC 3339"),
        ({"end": "2013-03-25T00:00:00"}, "end: must have a time zone"),
        ({"end": START.isoformat()}, "end: must be after start"),
        ({"definition": "no/such/file"}, "no/such/file"),
        ({"end": "2013-03-04T00:00:00Z"}, "retraining.min_rows: 50 labelled rows"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    stand: Stand, definition: str, changes: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(stand, definition, **changes) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("retrain_trigger: ")
    assert said in told[-1]


def serve(state: Path, **settings: str) -> tuple[int, str]:
    """Exit code and stderr of a service that does not start."""
    environment = os.environ | {"DRIFTLINE_STATE": str(state)} | settings
    command = [sys.executable, "-m", "services.retrain_trigger"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    code, said = serve(tmp_path, DRIFTLINE_POLL_SECONDS="-1")
    assert code == 1
    assert "poll_seconds" in said.lower()


def test_a_service_without_its_key_says_so_in_one_line(tmp_path: Path) -> None:
    code, said = serve(tmp_path)
    assert code == 1
    assert "retrain_trigger.pem" in said
    assert len(said.splitlines()) == 1
