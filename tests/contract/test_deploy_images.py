"""What an image holds is what the Dockerfile says; a Dockerfile that breaks a rule is refused."""

from pathlib import Path

import pytest

from scripts.check_deploy import ROOT
from scripts.deploy import SERVICES
from scripts.deploy.context import is_sent, lay_out, read_rules
from scripts.deploy.dockerfile import Copy, copies, instructions, parse
from scripts.deploy.images import problems

DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house with every file that an image takes."""
    for name in ("Dockerfile", ".dockerignore"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    files = ["services/__init__.py", "shared/batch.py", "shared/http/app.py", "models/own/train.py"]
    files += [f"services/{name}/__main__.py" for name in SERVICES]
    files += [f"requirements/{name}.lock" for name in (*SERVICES, "compiler")]
    files += ["shared/reference/kernel/build.py", "shared/reference/kernel/count-0.so"]
    for file in (*files, "shared/__pycache__/batch.pyc", "cli/up.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    return tmp_path


def test_the_dockerfile_is_sound() -> None:
    assert problems(ROOT) == []


def test_an_image_holds_one_service_and_shared_and_no_cache(
    house: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = tmp_path_factory.mktemp("image")
    lay_out(house, "inference", image)
    held = {path.relative_to(image).as_posix() for path in image.rglob("*") if path.is_file()}
    kernel = {"shared/reference/kernel/build.py", "shared/reference/kernel/count-0.so"}
    shared = {"shared/batch.py", "shared/http/app.py"} | kernel
    assert held == {"services/__init__.py", "services/inference/__main__.py"} | shared


def test_only_the_image_that_trains_holds_models(house: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    for service in SERVICES:
        image = tmp_path_factory.mktemp(service)
        lay_out(house, service, image)
        assert (image / "models").exists() == (service == "retrain_trigger")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("COPY shared/ shared/", "COPY shered/ shared/", "there is no such file"),
        ("COPY shared/ shared/", "COPY cli/ cli/", "shared is not copied"),
        ("COPY shared/ shared/", "COPY cli/ cli/", "COPY cli/: .dockerignore keeps it out"),
        ("COPY services/__init__.py services/__init__.py", "COPY services/ services/", "does not belong in it"),
        ("USER 10001:10001", "USER root", "the last USER must be a number"),
        ("/live", "/", "there is no HEALTHCHECK on /live"),
        ("EXPOSE 8081", "EXPOSE 8082", "port 8081 is set but not EXPOSEd"),
        ('["python", "-m", "services.inference"]', "python -m services.inference", "CMD must be"),
        ("3.12-slim-bookworm", "latest", "is neither a stage nor an image with a tag"),
        ("FROM ${SERVICE}", "FROM ${SERVICES}", "SERVICES has no value"),
        ('"--require-hashes", ', "", "--require-hashes"),
        ("COPY --from=kernel /kernel/ shared/reference/kernel/", "", "the compiled kernel is not copied"),
        ("COPY requirements/compiler.lock", "COPY requirements/cc.lock", "there is no such file"),
        ("FROM base AS inference", "FROM base AS serving", "inference is neither a stage nor an image"),
    ],
)
def test_a_dockerfile_that_breaks_a_rule_is_refused(house: Path, old: str, new: str, reason: str) -> None:
    assert old in DOCKERFILE
    assert problems(house) == []
    (house / "Dockerfile").write_text(DOCKERFILE.replace(old, new))
    assert reason in "\n".join(problems(house))


def test_continued_lines_and_comments_are_read_as_docker_reads_them() -> None:
    text = "ARG A=1\n# FROM x:1\nFROM x:${A} AS base\nRUN a \\\n  # why\n  && b\nFROM base\nCOPY one two three/\n"
    stages = parse(text, {})
    assert stages["base"].parent == "x:1"
    assert instructions(stages, "RUN") == ["a && b"]
    assert copies(stages) == [Copy("one", "three/"), Copy("two", "three/")]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("shared/batch.py", True),
        ("shared/__pycache__/batch.pyc", False),
        ("shared/deep/er/x.pyc", False),
        ("shared/reference/kernel/count-0.so", False),
        ("shared/reference/kernel/count.c", True),
        ("requirements/inference.lock", True),
        ("requirements/notes.txt", False),
        (".driftline/keys/governance.pem", False),
        ("Dockerfile", False),
    ],
)
def test_the_build_context_holds_code_and_locks_and_nothing_else(path: str, sent: bool) -> None:
    assert is_sent(path, read_rules((ROOT / ".dockerignore").read_text())) is sent
