"""The import rules in pyproject.toml refuse what they forbid: tried on a small house with one fault at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
SOUND = {
    "cli/up.py": "import shared.errors",
    "models/own.py": "import shared.errors",
    "services/one/__main__.py": "import services.one.api, services.one.settings",
    "services/one/api.py": "import services.one.store, services.one.domain, fastapi",
    "services/one/store.py": "import services.one.domain.rules, aiokafka",
    "services/one/domain/rules.py": "import shared.definition",
    "services/one/settings.py": "",
    "services/two/__main__.py": "import services.two.stream.intake",
    "services/two/stream/intake.py": "import services.two.domain, shared.log",
    "services/two/domain/__init__.py": "",
    "services/two/settings.py": "",
    "shared/definition.py": "import shared.feature_log.columns",
    "shared/errors.py": "",
    "shared/feature_log/columns.py": "",
    "shared/feature_log/schema.py": "import shared.definition",
    "shared/log.py": "import structlog",
}


def lint(house: Path, files: dict[str, str]) -> str:
    """What lint-imports says of a house; "" when every contract is kept."""
    for name, text in files.items():
        file = house / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        for folder in file.relative_to(house).parents[:-1]:
            (house / folder / "__init__.py").touch()
    command: list[str | Path] = [LINT_IMPORTS, "--no-logo", "--no-cache", "--config", ROOT / "pyproject.toml"]
    env = os.environ | {"PYTHONPATH": str(house), "COLUMNS": "300"}
    answer = subprocess.run(command, cwd=house, env=env, capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode else ""


def test_a_sound_house_passes(tmp_path: Path) -> None:
    assert lint(tmp_path, SOUND) == ""


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("services/one/helpers.py", "", "services.one.helpers"),
        (
            "services/one/store.py",
            "import services.one.api",
            "services.one.store is not allowed to import services.one.api",
        ),
        (
            "services/one/domain/rules.py",
            "import services.one.settings",
            "is not allowed to import services.one.settings",
        ),
        (
            "services/two/stream/intake.py",
            "import services.one.domain",
            "services.two is not allowed to import services.one",
        ),
        ("shared/errors.py", "import models.own", "shared is not allowed to import models"),
        ("cli/up.py", "import services.one.settings", "cli is not allowed to import services"),
        ("services/one/store.py", "import cli.up", "services is not allowed to import cli"),
        ("services/one/store.py", "import models.own", "services is not allowed to import models"),
        ("services/one/domain/rules.py", "import aiokafka", "services.one.domain is not allowed to import aiokafka"),
        ("services/one/domain/rules.py", "import shared.log", "services.one.domain is not allowed to import structlog"),
        ("shared/errors.py", "import shared.cycle", "No cycles are allowed in shared"),
        ("services/three/store.py", "", "Missing layer in container 'services.three'"),
    ],
)
def test_a_house_with_a_fault_is_refused(tmp_path: Path, file: str, line: str, said: str) -> None:
    faulty = SOUND | {"shared/cycle.py": "import shared.errors", file: line}
    assert said in " ".join(lint(tmp_path, faulty).split())
